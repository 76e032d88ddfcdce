"""`fleetlake serve`: the read API and the live page, until it is stopped."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. Default: FLEETLAKE_SERVING__HOST.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="0 picks a free one. Default: FLEETLAKE_SERVING__PORT."),
    ] = None,
) -> None:
    """Answer over HTTP: state, series, trips, anomalies, health; and show the live page at /.

    Beyond this machine it listens only where who asks must say who they are: `fleetlake keys add`.

    SIGTERM and Ctrl-C answer what is under way, end live streams, and exit with 0.
    """
    from functools import partial

    from prometheus_client import CollectorRegistry

    from fleetlake.read_api import ready, site
    from fleetlake.settings import Settings
    from fleetlake.web.access import Access
    from fleetlake.web.problems import EXCEPTION_HANDLERS
    from fleetlake.web.server import serve as serve_app
    from fleetlake.web.shell import guarded
    from ingest.process import Stop, configure_logs
    from serving.app import read_app
    from serving.page_files import page_paths

    settings = Settings()
    configure_logs()
    listen_at = host or settings.serving.host
    access = Access.on(listen_at, settings.http, settings.data_dir)
    stop = Stop()
    with site(settings, stopping=lambda: stop.requested) as opened:
        app = guarded(
            read_app(opened, exception_handlers=EXCEPTION_HANDLERS),
            http=settings.http,
            access=access,
            name="api",
            registry=CollectorRegistry(),
            ready=partial(ready, opened),
            open_paths=page_paths(),
        )
        serve_app(
            app,
            host=listen_at,
            port=settings.serving.port if port is None else port,
            on_listening=lambda address: typer.echo(
                f"the read API and the live page are at {address}", err=True
            ),
            stop=stop,
            http=settings.http,
        )
