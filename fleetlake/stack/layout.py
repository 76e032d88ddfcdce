"""Where everything of a local stack lies below its data folder. The only file that knows these names."""

from dataclasses import dataclass
from pathlib import Path

from fleetlake.settings import PORTS_FILE, RUN_FOLDER, STACK_FILE, STORE_KEYS, Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """The files and folders of the stack in one data folder."""

    root: Path

    @property
    def run(self) -> Path:
        """What only matters while the stack runs; safe to delete when it does not."""
        return self.root / RUN_FOLDER

    @property
    def stack_file(self) -> Path:
        """Addresses and processes of the running stack."""
        return self.root / STACK_FILE

    @property
    def lock_file(self) -> Path:
        """Held by the one `up` that runs here."""
        return self.run / "lock"

    @property
    def ports_file(self) -> Path:
        """The ports of the last start, taken again when free."""
        return self.root / PORTS_FILE

    @property
    def parts_file(self) -> Path:
        """What the stack here is made of."""
        return self.root / "parts.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def mongo(self) -> Path:
        return self.root / "mongo"

    @property
    def minio(self) -> Path:
        return (self.root / STORE_KEYS).parent

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    def log(self, name: str) -> Path:
        """The log of one process of the stack."""
        return self.logs / f"{name}.log"


def layout_of(data_dir: Path) -> Layout:
    """The layout below `data_dir`, as absolute paths: processes may have other working folders."""
    return Layout(data_dir.absolute())


def dagster_home(settings: Settings) -> Path:
    """Dagster's runs and events: in the data folder, or where the settings have them."""
    return settings.dagster.home or settings.data_dir / "dagster"
