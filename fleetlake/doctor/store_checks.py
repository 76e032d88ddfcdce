"""Checks of the stores: MongoDB answers, the lake takes and gives back, bronze's files can be opened."""

from collections.abc import Iterator

from fleetlake.commands.plain_text import counted
from fleetlake.doctor.findings import Finding, fine, note, wrong
from fleetlake.masking import masked_url
from lake.bronze_probe import probe
from lake.errors import ConditionalPutUnknown, LakeError
from lake.mongo import wait_ready
from lake.probe import check_usable
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.storage import Storage, storage
from lake.tables import exists

QUICK_SECONDS = 3.0
BRONZE = "bronze.events"
RESTORE = "restore it from the store's versions or a copy; `fleetlake audit` names what is missing"


def check_mongo(settings: MongoSettings) -> Iterator[Finding]:
    """MongoDB answers, and how many vehicles it knows."""
    quick = settings.model_copy(update={"timeout_s": QUICK_SECONDS, "ready_timeout_s": 0.0})
    address = masked_url(settings.uri)
    try:
        wait_ready(quick)
        with StateStore(quick) as store:
            vehicles = store.count()
    except LakeError as error:
        yield wrong("mongo", str(error), "start it (`fleetlake up`), or correct FLEETLAKE_MONGO__URI")
        return
    yield fine("mongo", f"{address} answers; database {settings.database} has {vehicles:,} vehicles")


def check_lake(settings: LakeSettings) -> Iterator[Finding]:
    """The lake can be written and read, and whether something has landed."""
    try:
        store = storage(settings)
        check_usable(store)
        has_bronze = exists(store, BRONZE)
    except ConditionalPutUnknown as error:
        yield wrong("lake", str(error), "stop history; docs/deployment.md says what the store must know")
        return
    except LakeError as error:
        yield wrong(
            "lake", str(error), "correct FLEETLAKE_LAKE__URI and FLEETLAKE_LAKE__S3__*, or the rights there"
        )
        return
    yield fine("lake", f"{store.locations.root} can be written and read")
    if not has_bronze:
        yield note(
            "lake", f"there is no table {BRONZE} yet: nothing has landed", "`fleetlake ingest history`"
        )
        return
    yield from _check_bronze(store)


def _check_bronze(store: Storage) -> Iterator[Finding]:
    try:
        probed = probe(store)
    except LakeError as error:
        yield wrong("lake", f"{BRONZE} cannot be opened: {error}", RESTORE)
        return
    for broken in probed.broken:
        yield wrong(
            "lake", f"{BRONZE} has a file that cannot be read: {broken.path}: {broken.problem}", RESTORE
        )
    if not probed.broken:
        opened = counted(probed.opened, "file")
        yield fine("lake", f"{BRONZE} is at version {probed.version}; {opened} opened, the newest")
