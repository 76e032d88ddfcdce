"""MinIO on loopback, by hand.

    python infra/local/minio.py start      # returns when it answers; prints the settings that reach it
    python infra/local/minio.py status
    python infra/local/minio.py stop

`make real-services` builds it. Objects, log and credential lie in --folder. `fleetlake up --store minio`
starts one by itself.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import by_hand

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack import standalone
from fleetlake.stack.minio import answers_s3, own_keys, read_keys, spawn_minio
from fleetlake.stack.server import Server
from fleetlake.stack.services import Services


def start(arguments: argparse.Namespace, folder: Path) -> None:
    """Starts it and says how it is reached."""

    def spawn() -> list[Server]:
        return [spawn_minio(Services(DEFAULT_SERVICES_DIR), folder, arguments.port, folder / "minio.log")]

    process = standalone.start(folder, spawn, answers_s3)[0]
    keys = read_keys(own_keys(folder))
    print("FLEETLAKE_LAKE__URI=s3://fleetlake")
    print(f"FLEETLAKE_LAKE__S3__ENDPOINT_URL=http://{process.address}")
    print(f"FLEETLAKE_LAKE__S3__ACCESS_KEY_ID={keys.access_key_id}")
    print(f"# the secret is in {own_keys(folder)}")


def parser() -> argparse.ArgumentParser:
    """Its own options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path(".fleetlake/minio-by-hand"))
    options.add_argument("--port", type=int, default=19000)
    return options


if __name__ == "__main__":
    sys.exit(by_hand.main(parser(), start))
