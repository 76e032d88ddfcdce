"""`fleetlake gateway`: events in over HTTP."""

import typer


def gateway() -> None:
    """Take vehicle events over HTTP, and answer when Kafka has them: docs/api.md.

    SIGTERM and Ctrl-C finish the requests at work, and exit with 0.
    """
    from fleetlake.gateway import run_gateway
    from fleetlake.settings import Settings
    from fleetlake.stack.presence import require_choice
    from ingest.process import Stop

    settings = Settings()
    require_choice(settings, "kafka")
    run_gateway(settings, Stop(), lambda address: typer.echo(f"gateway: {address}"))
