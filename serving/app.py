"""The read API: every route of docs/api.md over one site. Who asks, how often and with which key is the
shell's business; what goes wrong is shown by the handlers that it gives."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI

from serving import (
    alerts,
    anomalies,
    cars,
    charging,
    fleet,
    health,
    quality,
    sensors,
    series,
    sql,
    stream,
    trips,
    vehicles,
)
from serving.changes import Changes
from serving.failures import handlers
from serving.known import OnlyKnown
from serving.page_files import page_files
from serving.shapes import tidy
from serving.site import Site

TITLE = "Fleetlake read API"
ABOUT = """Where the vehicles are, what they said, and how the pipeline is. Times are ISO 8601 in UTC
with `Z`; numbers are in the units of the catalog, which each field names. Errors are
`application/problem+json`."""
OF_VEHICLES = (vehicles, series, trips, charging, anomalies, fleet, cars, sensors)
OF_THE_PLATFORM = (quality, health, alerts, sql)


def read_app(site: Site, *, exception_handlers: Mapping[type[Exception], Any]) -> FastAPI:
    """The application; `exception_handlers` show a Problem and whatever else goes wrong."""
    changes = Changes(site.state, site.asking, site.settings, site.vehicles.fleet, site.now_us, site.stopping)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(app.openapi)  # seconds of work, which no request should wait for
        yield
        await changes.close()

    app = FastAPI(
        title=TITLE,
        description=ABOUT,
        version="1",
        docs_url=None,  # those pages load scripts from the internet
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers=handlers(exception_handlers),
        dependencies=[Depends(OnlyKnown())],
        redirect_slashes=False,
    )
    for part in (*OF_VEHICLES, *OF_THE_PLATFORM):
        app.include_router(part.routes(site))
    app.include_router(stream.routes(site, changes))
    made = app.openapi
    app.openapi = lambda: tidy(made())  # type: ignore[method-assign]  # FastAPI's own way to change it
    page = page_files()
    if page is not None:
        app.mount("/", page, name="page")
    return app
