"""All settings of a process, read once: explicit options, the environment, then a running local stack."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from broker.settings import KafkaSettings
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings

STACK_FILE = Path("run") / "stack.json"
"""Below the data folder: the addresses of the local stack that runs there."""


class Settings(BaseSettings):
    """The settings of one process. Environment: FLEETLAKE_<SECTION>__<FIELD>, e.g. FLEETLAKE_LAKE__URI."""

    model_config = SettingsConfigDict(
        env_prefix="FLEETLAKE_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data_dir: Path = Field(Path(".fleetlake"), description="folder of the local stack")
    contracts: list[Path] = Field(
        default_factory=list, description="further source contracts: files or folders, as a JSON list"
    )
    kafka: KafkaSettings = KafkaSettings()
    lake: LakeSettings = LakeSettings()
    mongo: MongoSettings = MongoSettings()
    ingest: IngestSettings = IngestSettings()

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
    """Addresses of the local stack, from its stack file; nothing where none runs."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # __call__ answers for all fields at once

    def __call__(self) -> dict[str, Any]:
        data_dir = Path(self.current_state.get("data_dir", ".fleetlake"))
        return stack_addresses(data_dir)


def stack_addresses(data_dir: Path) -> dict[str, Any]:
    """The settings that the stack in `data_dir` implies; a lake folder even before it was ever started."""
    lake = {"lake": {"uri": str(data_dir / "lake")}}
    try:
        stack = json.loads((data_dir / STACK_FILE).read_text())
    except FileNotFoundError:
        return lake
    return {
        "kafka": {
            "bootstrap_servers": stack["kafka"],
            "incarnation_file": stack.get("incarnation_file"),
        },
        "mongo": {"uri": stack["mongo"]},
        "lake": {"uri": stack["lake"]},
    }
