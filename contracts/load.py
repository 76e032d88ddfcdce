"""Reads the catalog and the source contracts, and checks what one file alone cannot tell.

Whoever holds a `Registry` may rely on it: every signal exists, every unit converts, no topic has two owners.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from contracts.catalog import Catalog, CatalogFile, SignalSpec, Threshold
from contracts.check_contract import problems
from contracts.errors import ContractError
from contracts.limits import DEFAULT_LIMITS
from contracts.model import Contract
from contracts.parts import (
    DocumentField,
    ListShape,
    LongShape,
    MaximumOutput,
    SignalField,
    TimeColumns,
    TimeSource,
    Wrappers,
    WrittenTypes,
)
from contracts.registry import Registry
from contracts.yaml_file import Document, first_of, read_document

__all__ = ["ContractError", "Registry", "load_catalog", "load_contract", "load_registry"]

MEANING: Final = 1
"""Raised when the decoder's code changes what it makes of messages; part of every contract's hash."""

NOT_MEANING: Final = {
    "description",
    "source_topics",
    "former_topics",
    "dead_letters",
    "anomalies",
    "metrics",
    "maximum",
    "thresholds",
    "state_sensor",
    "message_key",
    "energy_meter",
    "template",
    "document",
}
"""Parts of a contract that do not change what decoding gives."""

_MODELS = (
    Contract,
    SignalField,
    LongShape,
    ListShape,
    MaximumOutput,
    DocumentField,
    TimeColumns,
    TimeSource,
    Wrappers,
    WrittenTypes,
)
_CATALOG_KEYS = (*SignalSpec.model_fields, *Threshold.model_fields)


def load_registry(extra: Sequence[Path] = ()) -> Registry:
    """The built-in contracts and those of `extra` files and folders; one of an extra file replaces a built-in
    one of the same name."""
    catalog = load_catalog()
    contracts = {contract.name: contract for contract in _built_in()}
    given: dict[str, Path] = {}
    for file in _yaml_files(extra):
        contract = load_contract(file, catalog)
        if contract.name in given:
            problem = f"the name {contract.name} is taken by {given[contract.name]}"
            raise read_document(file).error(("name",), problem, "choose another")
        given[contract.name] = file
        contracts[contract.name] = contract
        _refuse_shared_topics(file, contract, contracts)
    return Registry(catalog, contracts)


@cache
def load_catalog() -> Catalog:
    """The built-in catalog, which one process reads once."""
    document = read_document(Path(str(files("contracts") / "catalog.yml")))
    return Catalog(document.build(CatalogFile, known_keys=_CATALOG_KEYS).signals)


def load_contract(file: Path, catalog: Catalog) -> Contract:
    """One contract file, checked by itself and against the catalog."""
    document = read_document(file)
    contract = document.build(Contract, known_keys=_known_keys())
    found = [document.error(*problem) for problem in problems(contract, catalog)]
    if found:
        raise first_of(found)
    fields = dict(contract.signals)
    if contract.vss_paths:
        fields |= {path: SignalField(signal=spec.name) for path, spec in catalog.by_vss_path().items()}
        fields |= contract.signals
    return contract.resolved(fields, _digest(contract, fields, catalog))


def _digest(contract: Contract, fields: Mapping[str, SignalField], catalog: Catalog) -> str:
    """Of everything that decides what a message becomes: two equal digests decode alike."""
    meaning = {
        "version": MEANING,
        "limits": asdict(DEFAULT_LIMITS),
        "contract": contract.model_dump(mode="json", exclude=NOT_MEANING),
        "fields": {wire: field.model_dump(mode="json") for wire, field in fields.items()},
        "catalog": {
            name: [spec.type, spec.unit, spec.minimum, spec.maximum] for name, spec in catalog.items()
        },
    }
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _refuse_shared_topics(file: Path, contract: Contract, contracts: Mapping[str, Contract]) -> None:
    document: Document | None = None
    for other in contracts.values():
        shared = contract.spoken_for & other.spoken_for
        if other.name != contract.name and shared:
            document = document or read_document(file)
            topic = min(shared)
            key = _key_of_topic(contract, topic)
            raise document.error(key, f"topic {topic} belongs to source {other.name}", "choose another topic")


def _key_of_topic(contract: Contract, topic: str) -> tuple[str | int, ...]:
    if topic in contract.former_topics:
        return "former_topics", contract.former_topics.index(topic)
    return ("topics", topic) if topic in contract.topics else ("topics",)


@cache
def _built_in() -> tuple[Contract, ...]:
    sources = _yaml_files([Path(str(files("contracts") / "sources"))])
    return tuple(load_contract(file, load_catalog()) for file in sources)


def _yaml_files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(child for child in path.iterdir() if child.suffix in {".yml", ".yaml"})
            if not found:
                hint = "a contract is a .yml file in it; name another folder, or leave it out"
                raise ContractError(path, 0, "", "the folder holds no contract", hint)
            yield from found
        else:
            yield path


def _known_keys() -> list[str]:
    keys: list[str] = []
    for model in _MODELS:
        keys += [field.alias or name for name, field in model.model_fields.items()]
    return [*keys, "retention", "partitions", "cleanup", "config", "topic"]
