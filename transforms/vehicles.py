"""The vehicle registry: what people know of vehicles and no message says. A YAML file with a list `vehicles`,
or a CSV file with a header; whoever holds its rows may rely on it: no vehicle is named twice, and every time
zone exists."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.errors import ContractError
from contracts.yaml_file import first_of, read_document

VEHICLES = pa.schema(
    [
        ("vehicle_id", pa.string()),
        ("fleet", pa.string()),
        ("model", pa.string()),
        ("battery_kwh", pa.float64()),
        ("time_zone", pa.string()),
    ]
)
"""One row per vehicle that is registered."""

NO_ZONES = ("localtime", "posix", "right")
"""Time zones to Python only: that of the machine, and folders of others in another count of seconds."""

TEXTS = frozenset({"vehicle_id", "fleet", "model", "time_zone"})
"""What YAML may take for another number than its digits: 0123, 1e3."""

Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")]


class Vehicle(BaseModel):
    """One vehicle; what nobody knows of it is left out, or empty."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True
    )

    vehicle_id: Text
    fleet: Text | None = None
    model: Text | None = None
    battery_kwh: float | None = Field(default=None, gt=0, le=2_000)
    """As new, and what of it can be used."""
    time_zone: Text | None = None

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, value: str | None) -> str | None:
        if value is not None and not _is_zone(value):
            problem = f"there is no time zone {value}; one is called like Europe/Berlin"
            raise ValueError(problem)
        return value


class VehiclesFile(BaseModel):
    """The YAML form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vehicles: list[Vehicle]


def load_vehicles(file: Path | None) -> pa.Table:
    """All vehicles of a file, none without one. Raises ContractError with the file and the line."""
    if file is None:
        return VEHICLES.empty_table()
    placed = list(_of_csv(file) if file.suffix.lower() == ".csv" else _of_yaml(file))
    _refuse_doubles(file, placed)
    rows = sorted((vehicle.model_dump() for _, vehicle in placed), key=lambda row: str(row["vehicle_id"]))
    return pa.Table.from_pylist(rows, VEHICLES)


def _of_yaml(file: Path) -> Iterator[tuple[int, Vehicle]]:
    document = read_document(file)
    known = (*Vehicle.model_fields, *VehiclesFile.model_fields)
    for number, vehicle in enumerate(document.build(VehiclesFile, known_keys=known).vehicles):
        for name in TEXTS & document.root["vehicles"][number].keys():
            given = document.root["vehicles"][number][name]
            if not isinstance(given, str) and type(given) not in (int, NoneType):
                problem = f"YAML reads {given!r} where something else may stand"
                raise document.error(("vehicles", number, name), problem, "put it in quotes")
        yield document.line(("vehicles", number)), vehicle


def _of_csv(file: Path) -> Iterator[tuple[int, Vehicle]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restkey="too many values", strict=True)
            _check_header(file, list(reader.fieldnames or []))
            errors: list[ContractError] = []
            for row in reader:
                try:
                    given = {name: value for name, value in row.items() if value not in ("", None)}
                    yield reader.line_num, Vehicle.model_validate(given)
                except ValidationError as invalid:
                    errors += _explained(file, reader.line_num, invalid)
    except csv.Error as error:
        line = reader.line_num + 1
        raise ContractError(
            file, line, "", f"is not CSV: {error}", "look for a quote without its pair"
        ) from error
    except UnicodeDecodeError as error:
        raise ContractError(file, 0, "", "is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise ContractError(
            file, 0, "", f"cannot be read: {error.strerror}", "check path and rights"
        ) from error
    if errors:
        raise first_of(errors)


def _explained(file: Path, line: int, invalid: ValidationError) -> Iterator[ContractError]:
    for detail in invalid.errors(include_url=False):
        column = str(detail["loc"][0])
        problem = detail["msg"].removeprefix("Value error, ")
        given = detail["input"]
        said = f" (it is {given!r})" if isinstance(given, str) and given not in problem else ""
        yield ContractError(file, line, column, f"{problem}{said}", "")


def _check_header(file: Path, names: Sequence[str]) -> None:
    """ContractError where the first line does not name the columns: then no row can be told from another."""
    unknown = [name for name in names if name not in VEHICLES.names]
    twice = [name for name in VEHICLES.names if names.count(name) > 1]
    hint = f"the first line names the columns, separated by commas: {', '.join(VEHICLES.names)}"
    for name in unknown:
        raise ContractError(file, 1, name, "is no column", hint)
    for name in twice:
        raise ContractError(file, 1, name, "is named twice", "remove one of them")
    if "vehicle_id" not in names:
        raise ContractError(file, 1, "vehicle_id", "the column is missing", hint)


def _refuse_doubles(file: Path, placed: Iterable[tuple[int, Any]]) -> None:
    lines: dict[str, int] = {}
    for line, vehicle in placed:
        first = lines.setdefault(vehicle.vehicle_id, line)
        if first != line:
            problem = f"vehicle {vehicle.vehicle_id} stands in line {first} already"
            raise ContractError(file, line, "vehicle_id", problem, "remove one of them")


def _is_zone(name: str) -> bool:
    """To Python and to DuckDB, which both count by it."""
    if name.partition("/")[0].startswith(NO_ZONES):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
