"""The servers that the other tests rely on."""

from fleetlake.stack.embedded import Server, listens


def test_embedded_servers_listen_on_loopback(kafka_server: Server, mongo_server: Server) -> None:
    """Both embedded servers are up and reachable."""
    assert listens(kafka_server.port)
    assert listens(mongo_server.port)
