"""Checks of a contract against the catalog and against itself, one rule each.

A problem is (path of the key, what is wrong, what to do): the loader adds file and line.
"""

from collections import Counter
from collections.abc import Iterator

from contracts.catalog import Catalog, SignalSpec
from contracts.model import Contract
from contracts.parts import DocumentField, SignalField
from contracts.paths import is_path, steps
from contracts.units import conversion, units_into

Key = tuple[str | int, ...]
Problem = tuple[Key, str, str]


def problems(contract: Contract, catalog: Catalog) -> Iterator[Problem]:
    """Everything that is wrong, in no particular order."""
    for wire, field in contract.signals.items():
        yield from _field_problems(("signals", wire), field, catalog)
        if contract.shape == "wide" and not is_path(wire):
            yield ("signals", wire), f"{wire!r} is no field path", "write `field` or `object.field`"
        if field.parts and contract.shape == "wide":
            yield ("signals", wire), "parts are for shapes long and list", "write `object.field: signal`"
    yield from _shape_problems(contract)
    yield from _required_problems(contract)
    yield from _overlap_problems(contract)
    yield from _output_problems(contract, catalog)
    yield from _former_problems(contract)
    for name, thresholds in contract.thresholds.items():
        for kind, count in Counter(each.kind for each in thresholds).items():
            if count > 1:
                problem = f"{count} thresholds of {name} are called {kind}: their anomalies would have one id"
                yield ("thresholds", name), problem, "give each a kind of its own"
        spec = catalog.get(name)
        if spec is None or spec.type == "text":
            yield (
                ("thresholds", name),
                f"{name} is no number of the catalog",
                "see `fleetlake contracts list`",
            )


def _field_problems(key: Key, field: SignalField, catalog: Catalog) -> Iterator[Problem]:
    for part, meaning in field.parts.items():
        yield from _field_problems((*key, "parts", part), meaning, catalog)
    if field.signal is None:
        return
    spec = catalog.get(field.signal)
    if spec is None:
        hint = (
            "choose a signal of contracts/catalog.yml, or leave the name out: it is kept as an unknown signal"
        )
        yield key, f"signal {field.signal} is not in the catalog", hint
        return
    if spec.type != "number" and field.unit:
        yield (*key, "unit"), f"{spec.name} is {spec.type} and has no unit", "remove the unit"
    elif conversion(field.unit, spec.unit) is None:
        options = ", ".join(units_into(spec.unit))
        yield (*key, "unit"), f"{field.unit} does not convert to {spec.unit}", f"use one of {options}"
    if spec.type != "text" and field.values:
        yield (*key, "values"), f"{spec.name} is a {spec.type}", "values are for text signals"
    yield from _range_problems(key, field, spec)


def _range_problems(key: Key, field: SignalField, spec: SignalSpec) -> Iterator[Problem]:
    for bound, narrower in (("minimum", max), ("maximum", min)):
        own, limit = getattr(field, bound), getattr(spec, bound)
        if own is None:
            continue
        if spec.type != "number":
            yield (*key, bound), f"{spec.name} is {spec.type} and has no range", "remove it"
        elif limit is not None and narrower(own, limit) != own:
            yield (
                (*key, bound),
                f"{own:g} is wider than the catalog's {limit:g}",
                "a contract may only narrow",
            )
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield (*key, "minimum"), "minimum is above maximum", "exchange them"


def _shape_problems(contract: Contract) -> Iterator[Problem]:
    for shape, section in (("long", contract.long_shape), ("list", contract.list_shape)):
        if contract.shape == shape and section is None:
            yield ("shape",), f"shape {shape} needs a section `{shape}:`", "add it"
        if contract.shape != shape and section is not None:
            yield (shape,), f"a section for shape {shape}, but the shape is {contract.shape}", "remove it"
    for key in ("required", "ignore"):
        if contract.shape != "wide" and getattr(contract, key):
            yield (key,), "only fields of shape wide can be named here", "remove it"
    if not contract.event_time:
        yield ("event_time",), "no place is given", "write `{field: NAME}`"
    if contract.message_key == "sensor" and contract.sensor is None:
        yield ("message_key",), "the contract has no sensor", "add `sensor: {field: NAME}`"


def _required_problems(contract: Contract) -> Iterator[Problem]:
    for index, wire in enumerate(contract.required):
        if wire not in contract.signals:
            yield ("required", index), f"{wire} is not among signals", "name it there, or remove it here"


def _overlap_problems(contract: Contract) -> Iterator[Problem]:
    """A field has one meaning, and is a value or an object, not both."""
    paths = [steps(path) for path in used_fields(contract)]
    for path, count in Counter(paths).items():
        if count > 1:
            yield ("signals", ".".join(path)), f"{'.'.join(path)} has {count} meanings", "give it one"
        if any(other != path and other[: len(path)] == path for other in paths):
            yield ("signals",), f"{'.'.join(path)} is a value and an object", "name its fields, or itself"


def _former_problems(contract: Contract) -> Iterator[Problem]:
    for index, topic in enumerate(contract.former_topics):
        if topic in contract.topic_settings:
            yield ("former_topics", index), f"{topic} is a topic of now", "name it in one place"


def used_fields(contract: Contract) -> list[str]:
    """Every field path that the contract reads, repeated if it stands for two things."""
    places = [contract.vehicle.field, contract.sensor.field if contract.sensor else None]
    for source in (*contract.event_time, contract.received_time):
        if source is not None:
            places += [source.field] if source.columns is None else [source.columns.date, source.columns.time]
    if contract.long_shape:
        places += [
            contract.long_shape.name,
            contract.long_shape.value_type,
            *contract.long_shape.value_fields,
        ]
    if contract.list_shape:
        places.append(contract.list_shape.items)
    if contract.shape == "wide":
        places += contract.signals
    return [place for place in places if place is not None]


def _output_problems(contract: Contract, catalog: Catalog) -> Iterator[Problem]:
    maximum = contract.maximum
    if maximum is not None:
        spec = catalog.get(maximum.signal)
        if spec is None or spec.type != "number":
            yield ("maximum", "signal"), f"{maximum.signal} is no number of the catalog", "choose one"
        kinds = [field for field in maximum.document.values() if field.value]
        if len(kinds) != 1:
            yield ("maximum", "document"), "one field must hold the value", "write `name: {value: true}`"
        for needed in ("vehicle", "event_time"):
            if not any(getattr(field, needed) for field in maximum.document.values()):
                hint = f"add a field `{{{needed}: true}}`: the maximum is restored from this document"
                yield ("maximum", "document"), f"no field holds the {needed}", hint
    documents: dict[Key, dict[str, DocumentField]] = {("document",): contract.document}
    if maximum:
        documents["maximum", "document"] = maximum.document
    for key, fields in documents.items():
        for name, field in fields.items():
            if field.signal is not None and field.signal not in catalog:
                yield (*key, name), f"signal {field.signal} is not in the catalog", "choose one"
