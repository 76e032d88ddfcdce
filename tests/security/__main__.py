"""Tries every cell of the tables in docs/security.md on Apache Kafka and MinIO, and writes them there.

python -m tests.security            # both
python -m tests.security minio      # one of them; kafka needs both
"""

import sys
import tempfile
from pathlib import Path

from tests.security import kafka_trial, store_trial, table
from tests.security.rig import secured


def main() -> int:
    """The command; returns the exit code."""
    which = sys.argv[1:] or ["kafka", "minio"]
    with (
        tempfile.TemporaryDirectory(prefix="fleetlake-security-") as folder,
        secured(Path(folder), with_kafka="kafka" in which) as site,
    ):
        tried, wanted = {}, {}
        if "minio" in which:
            tried["minio"], wanted["minio"] = store_trial.tried(site), table.expected_store(site.rights)
        if "kafka" in which:
            tried["kafka"], wanted["kafka"] = kafka_trial.tried(site), table.expected_kafka(site.rights)
    page = table.PAGE.read_text()
    page = table.with_section(page, "mongo", table.mongo(site.rights))
    for name, rows in tried.items():
        page = table.with_section(page, name, table.rendered(rows))
        cells = sum(len(row) for row in rows.values())
        allowed = sum(sum(row.values()) for row in rows.values())
        print(f"{name}: {cells} cells tried, {allowed} allowed, {cells - allowed} refused")
        for user, row in rows.items():
            for title, may in row.items():
                if may != wanted[name][user][title]:
                    print(f"  {user}: {title} is {'allowed' if may else 'refused'}, and should not be")
    table.PAGE.write_text(page)
    return int(tried != wanted)


if __name__ == "__main__":
    sys.exit(main())
