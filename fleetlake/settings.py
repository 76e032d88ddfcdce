"""All settings of a process, read once: explicit options, the environment, then a running local stack. The
only file that touches the environment; what is wrong there is said in one line that names the variable."""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from broker.settings import KafkaSettings
from fleetlake.masking import MASK, shown
from fleetlake.web.settings import HttpSettings
from ingest.alerts.settings import AlertSettings
from ingest.gateway.settings import GatewaySettings
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from orchestration.settings import OrchestrationSettings
from serving.settings import ServingSettings
from transforms.settings import TransformSettings

PREFIX = "FLEETLAKE_"
DATA_DIR_VARIABLE = f"{PREFIX}DATA_DIR"
DEFAULT_DATA_DIR = Path(".fleetlake")
DEFAULT_SERVICES_DIR = Path(__file__).parents[1] / ".services"

RUN_FOLDER = Path("run")
STACK_FILE = RUN_FOLDER / "stack.json"
"""Below the data folder: the addresses of the local stack that runs there."""

PORTS_FILE = Path("ports.json")
STORE_KEYS = Path("minio") / "credentials.json"
"""Below the data folder: where its servers listen, and the credential of its MinIO, if it has one."""

LOCAL_BUCKET = "s3://fleetlake"

ADDRESSES = {"kafka": "bootstrap_servers", "mongo": "uri"}
"""The field of each server's section that says where it is."""

Source = Literal["option", "environment", "stack", "data folder", "default"]
Values = dict[str, Any]


class BadSettings(Exception):
    """A setting has a value that cannot be used.

    Operator action: correct the variable that the message names.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in self.problems.items()))


class Settings(BaseSettings):
    """The settings of one process. Environment: FLEETLAKE_<SECTION>__<FIELD>, e.g. FLEETLAKE_LAKE__URI."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,  # as compose files pass on what nobody has set
        frozen=True,
        extra="forbid",
    )

    data_dir: Path = Field(DEFAULT_DATA_DIR, description="folder of the local stack")
    services_dir: Path = Field(
        DEFAULT_SERVICES_DIR,
        description="where `make real-services` put Kafka and MinIO; default: .services here",
    )
    contracts: Annotated[list[Path], NoDecode] = Field(
        default_factory=list,
        description="further source contracts: a file or folder, several as in PATH, or a JSON list",
    )
    vehicles: Path | None = Field(
        None,
        description="vehicle registry, a .yml or .csv file: fleet, model, battery and time zone of vehicles",
    )
    warehouse: Path | None = Field(
        None, description="DuckDB file with the marts; default: warehouse/fleetlake.duckdb in the data folder"
    )
    kafka: KafkaSettings = KafkaSettings()
    lake: LakeSettings = LakeSettings()
    mongo: MongoSettings = MongoSettings()
    ingest: IngestSettings = IngestSettings()
    gateway: GatewaySettings = GatewaySettings()
    alerts: AlertSettings = AlertSettings()
    transforms: TransformSettings = TransformSettings()
    dagster: OrchestrationSettings = OrchestrationSettings()
    http: HttpSettings = HttpSettings()
    serving: ServingSettings = ServingSettings()

    @field_validator("contracts", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        """A text is JSON where it begins like a list; paths separated as in PATH otherwise."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError as error:
                problem = f"is not JSON: {error}"
                raise ValueError(problem) from None
        return [path for path in value.split(os.pathsep) if path]

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise BadSettings(dict(_problems(error))) from None
        except SettingsError as error:
            raise BadSettings(_unreadable_variables(str(error))) from None
        self._require_files_to_stay()

    def _require_files_to_stay(self) -> None:
        """History may hold a file for that long before it names it in the log: vacuum must leave it alone."""
        kept, held = self.lake.maintenance.keep_hours * 3600, self.ingest.store_patience_seconds
        if kept <= held:
            problem = f"must be more than {held:g} s, FLEETLAKE_INGEST__STORE_PATIENCE_SECONDS"
            raise BadSettings({_variable(("lake", "maintenance", "keep_hours")): problem})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit arguments first, then the environment, then the stack that runs in the data folder."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, LocalStackSource(settings_cls)


class LocalStackSource(PydanticBaseSettingsSource):
    """Addresses of the local stack, from its stack file; nothing of a server whose address is explicit."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ answers for all fields at once

    def __call__(self) -> Values:
        return stack_values(Path(self.current_state.get("data_dir", DEFAULT_DATA_DIR)), self.current_state)


def stack_values(data_dir: Path, explicit: Values) -> Values:
    """The settings that the stack in `data_dir` implies; its folders even before it was ever started.

    A Kafka that is set explicitly is another broker: it must not get the embedded one's incarnation.
    """
    values: Values = {"ingest": {"runtime_dir": data_dir / RUN_FOLDER}}
    stack = _read_passing(data_dir / STACK_FILE)
    if "uri" not in _section(explicit, "lake"):
        values["lake"] = _lake_of(stack, data_dir)
    if "kafka" in stack and "bootstrap_servers" not in _section(explicit, "kafka"):
        values["kafka"] = {"bootstrap_servers": stack["kafka"]}
        if stack.get("incarnation_file"):
            values["kafka"]["incarnation_file"] = stack["incarnation_file"]
    if "mongo" in stack and MASK not in stack["mongo"]:
        values["mongo"] = {"uri": stack["mongo"]}
    if stack:
        values["ingest"]["metrics_port"] = 0  # `status` reads what the sinks count
    return values


def explicit_values() -> Values:
    """What the environment says, as nested values; BadSettings where it cannot be read."""
    try:
        return EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise BadSettings(_unreadable_variables(str(error))) from None


def is_explicit(section: str, field: str) -> bool:
    """Whether the environment sets one field, e.g. ("kafka", "bootstrap_servers")."""
    return field in _section(explicit_values(), section)


def choose_data_dir(data_dir: Path) -> None:
    """Makes `data_dir` the data folder of this process and of those it starts."""
    os.environ[DATA_DIR_VARIABLE] = str(data_dir.absolute())


def child_environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process started by this one."""
    return {**os.environ, **overrides}


def unread_variables() -> dict[str, str | None]:
    """Variables with our prefix that no setting reads, probably typing errors; with what may be meant."""
    known = [name.upper() for name in Settings.model_fields]
    unread = {}
    for name in sorted(name.upper() for name in os.environ if name.upper().startswith(PREFIX)):
        section, dots, field = name.removeprefix(PREFIX).partition("__")
        if section not in known:
            near = difflib.get_close_matches(section, known, n=1, cutoff=0.8)
            unread[name] = f"{PREFIX}{near[0]}{dots}{field}" if near else None
    return unread


def _section(values: Values, name: str) -> Mapping[str, Any]:
    """A section of explicit values: plain values, or a model given as an argument."""
    section = values.get(name, {})
    if isinstance(section, Mapping):
        return section
    return {field: getattr(section, field) for field in getattr(section, "model_fields_set", ())}


def _problems(error: ValidationError) -> Iterator[tuple[str, str]]:
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield _variable(path), "there is no such setting"
            continue
        given = shown(path, problem["input"])
        yield _variable(path), f"{problem['msg'].removeprefix('Value error, ')} (it is {given!r})"


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


def variable_of(section: str, field: str) -> str:
    """The environment variable of one field."""
    return _variable((section, field))


def _unreadable_variables(reason: str) -> dict[str, str]:
    """Variables that should hold JSON and do not; pydantic-settings names only the section."""
    broken = {}
    for name, value in os.environ.items():
        is_composite = value.lstrip().startswith(("{", "["))
        if name.upper().startswith(PREFIX) and is_composite:
            try:
                json.loads(value)
            except ValueError as error:
                broken[name] = f"is not JSON: {error}"
    return broken or {f"{PREFIX}*": reason}


def _lake_of(stack: Values, data_dir: Path) -> Values:
    """The lake that the stack was started with; else that of the data folder: a folder in it, or the MinIO
    whose credential lies there."""
    keys = _read_json(data_dir / STORE_KEYS)
    uri = stack.get("lake", LOCAL_BUCKET if keys else str(data_dir / "lake"))
    if uri != LOCAL_BUCKET or not keys:
        return {"uri": uri}
    port = _read_passing(data_dir / PORTS_FILE).get("minio")
    return {"uri": LOCAL_BUCKET, "s3": {"endpoint_url": f"http://127.0.0.1:{port}", **keys}}


def _read_passing(path: Path) -> Values:
    """What the stack wrote for as long as it runs; nothing where that makes no sense: the next start writes
    it anew."""
    try:
        return _read_json(path)
    except BadSettings:
        return {}


def _read_json(path: Path) -> Values:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadSettings({str(path): f"cannot be read ({error})"}) from error
    return found if isinstance(found, dict) else {}
