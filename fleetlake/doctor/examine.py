"""Everything doctor looks at, in a person's order: settings first, since all else uses them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.load import load_registry
from fleetlake.described import SettingValue, describe
from fleetlake.doctor.findings import Finding, Verdict, run_check, wrong
from fleetlake.doctor.kafka_checks import check_kafka
from fleetlake.doctor.local_checks import (
    check_disk,
    check_embedded,
    check_runs,
    check_settings,
    check_sinks,
    check_stack,
)
from fleetlake.doctor.store_checks import check_lake, check_mongo
from fleetlake.settings import BadSettings, Settings
from fleetlake.stack.layout import layout_of


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is configured and what was found."""

    settings: Sequence[SettingValue]
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not any(finding.verdict is Verdict.WRONG for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "settings": [
                {"name": value.name, "value": value.value, "source": value.source} for value in self.settings
            ],
            "findings": [finding.as_json() for finding in self.findings],
        }


def examine(*, data_dir_is_option: bool = False) -> Diagnosis:
    """Looks at everything. A part that is broken does not hide the others."""
    try:
        settings = Settings()
        described = describe(settings, data_dir_is_option=data_dir_is_option)
    except BadSettings as error:
        bad = [wrong("settings", f"{n}: {p}", f"correct {n}") for n, p in error.problems.items()]
        return Diagnosis([], bad)
    return Diagnosis(described, list(_findings(settings)))


def _findings(settings: Settings) -> Iterator[Finding]:
    layout = layout_of(settings.data_dir)
    yield from run_check("settings", lambda: check_settings(settings))
    yield from run_check("stack", lambda: check_stack(layout))
    yield from run_check("stack", lambda: check_embedded(layout))
    yield from run_check("sinks", lambda: check_sinks(settings))
    yield from run_check("dagster", lambda: check_runs(settings))
    yield from run_check("kafka", lambda: check_kafka(settings.kafka, load_registry(settings.contracts)))
    yield from run_check("mongo", lambda: check_mongo(settings.mongo))
    yield from run_check("lake", lambda: check_lake(settings.lake))
    yield from run_check("disk", lambda: check_disk(settings))
