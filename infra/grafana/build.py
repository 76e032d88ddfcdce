"""`python -m infra.grafana.build` writes all dashboards to dashboards/ beside it; with a folder, there."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.grafana import fleet, pipeline

FOLDER = Path(__file__).parent / "dashboards"

DASHBOARDS: Sequence[Callable[[], Dashboard]] = (
    fleet.fleet_map,
    fleet.one_vehicle,
    fleet.anomalies,
    fleet.trips_and_charging,
    pipeline.health,
    pipeline.quality,
    pipeline.kafka_lag,
    pipeline.internals,
)


def built() -> dict[str, str]:
    """File name of each dashboard, and what belongs in it."""
    made = [each() for each in DASHBOARDS]
    return {
        f"{each.uid}.json": json.dumps(each, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        + "\n"
        for each in made
    }


def main() -> None:
    """Those that are no more are removed."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    files = built()
    for stale in {each.name for each in folder.glob("*.json")} - files.keys():
        (folder / stale).unlink()
    for name, text in files.items():
        (folder / name).write_text(text)
    print(f"{len(files)} dashboards in {folder}")


if __name__ == "__main__":
    main()
