"""What the stack in a data folder is made of: decided at its first start and kept, because the messages, the
lake and the state in one folder belong together."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

from fleetlake.settings import BadSettings
from fleetlake.stack.layout import Layout
from ingest.process import write_atomically


class KafkaKind(StrEnum):
    """Which Kafka the stack starts."""

    EMBEDDED = "embedded"
    REAL = "real"


class StoreKind(StrEnum):
    """Where the lake of the stack lies."""

    FOLDER = "folder"
    MINIO = "minio"


class PartsDiffer(Exception):
    """The data folder was begun with another Kafka or store than is asked for now.

    Operator action: leave the option out, or name another --data-dir.
    """

    def __init__(self, layout: Layout, option: str, found: str, wanted: str) -> None:
        self.layout, self.option, self.found, self.wanted = layout, option, found, wanted
        super().__init__(
            f"the data in {layout.root} was begun with {option} {found}, not {wanted}: leave the option out, "
            f"or choose another --data-dir"
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The choice for one data folder."""

    kafka: KafkaKind = KafkaKind.EMBEDDED
    store: StoreKind = StoreKind.FOLDER


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None: whatever the folder has."""

    kafka: KafkaKind | None = None
    store: StoreKind | None = None


def settle(layout: Layout, wanted: Wanted, check: Callable[[Parts], None]) -> Parts:
    """What the folder's stack is made of. What is wanted must be the same unless the folder is new; `check`
    may refuse it before anything is written. Call while holding the folder."""
    found = _read(layout)
    parts = found or Parts(wanted.kafka or KafkaKind.EMBEDDED, wanted.store or StoreKind.FOLDER)
    if wanted.kafka not in (None, parts.kafka):
        raise PartsDiffer(layout, "--kafka", parts.kafka, str(wanted.kafka))
    if wanted.store not in (None, parts.store):
        raise PartsDiffer(layout, "--store", parts.store, str(wanted.store))
    check(parts)
    write_atomically(layout.parts_file, json.dumps(asdict(parts)))
    return parts


def _read(layout: Layout) -> Parts | None:
    """The choice made before; a folder with data from before there was one has the embedded parts."""
    try:
        values = json.loads(layout.parts_file.read_text())
        return Parts(KafkaKind(values["kafka"]), StoreKind(values["store"]))
    except (ValueError, KeyError, TypeError) as error:
        cure = 'write {"kafka": "embedded" or "real", "store": "folder" or "minio"}, as the folder was begun'
        raise BadSettings({str(layout.parts_file): f"makes no sense ({error}); {cure}"}) from error
    except FileNotFoundError:
        return Parts() if layout.kafka.exists() or layout.lake.exists() else None
