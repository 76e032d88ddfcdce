"""Apache Kafka on loopback, by hand: one node, or a cluster of three that keeps every message on three.

    python infra/local/kafka.py start --nodes 3     # returns when every node answers; prints the addresses
    python infra/local/kafka.py status
    python infra/local/kafka.py stop

`make real-services` builds it. Data and logs lie in --folder. `fleetlake up --kafka real` starts its own.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import by_hand

from fleetlake.settings import DEFAULT_SERVICES_DIR
from fleetlake.stack import standalone
from fleetlake.stack.kafka_node import Cluster, Node, spawn_node
from fleetlake.stack.server import Server, answers_kafka
from fleetlake.stack.services import Services

PORTS_A_NODE = 2


def cluster_of(folder: Path, nodes: int, port: int) -> Cluster:
    """Nodes on ports side by side: a broker's, then its controller's."""
    return Cluster(
        [
            Node(number, port + PORTS_A_NODE * (number - 1), port + PORTS_A_NODE * number - 1,
                 folder / f"node-{number}")
            for number in range(1, nodes + 1)
        ]
    )  # fmt: skip


def start(arguments: argparse.Namespace, folder: Path) -> None:
    """Starts the cluster that the folder was begun with."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = folder / "cluster.json"
    if not shape.exists():
        shape.write_text(json.dumps({"nodes": arguments.nodes, "port": arguments.port}))
    cluster = cluster_of(folder, **json.loads(shape.read_text()))

    def spawn() -> list[Server]:
        services = Services(DEFAULT_SERVICES_DIR)
        return [spawn_node(services, cluster, node, node.folder / "kafka.log") for node in cluster.nodes]

    standalone.start(folder, spawn, answers_kafka)
    print(f"FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS={cluster.bootstrap_servers}")


def parser() -> argparse.ArgumentParser:
    """Its own options."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path(".fleetlake/kafka-by-hand"))
    options.add_argument("--nodes", type=int, choices=[1, 3], default=1, help="decided at the first start")
    options.add_argument("--port", type=int, default=19092, help="of the first node; the others follow")
    return options


if __name__ == "__main__":
    sys.exit(by_hand.main(parser(), start))
