"""The servers that the other tests rely on."""

from fleetlake.stack.server import Server, listens


def test_servers_listen_on_loopback(kafka: str, mongo_server: Server) -> None:
    """Broker and MongoDB are up and reachable."""
    host, _, port = kafka.partition(":")
    assert host == "127.0.0.1"
    assert listens(int(port))
    assert listens(mongo_server.port)
