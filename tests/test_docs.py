"""The documents name what exists, all of it, and nothing else."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from fleetlake.commands import COMMANDS
from fleetlake.settings import Settings
from fleetlake.web.metrics import HttpMetrics
from ingest.alerts.metrics import AlertMetrics
from ingest.gateway.metrics import GatewayMetrics
from ingest.metrics import SinkMetrics
from lake.schemas import BRONZE
from tests.faults.__main__ import load_cases
from transforms.document import page
from transforms.load import load_models

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def variables(model: type[BaseModel], prefix: str = "FLEETLAKE_") -> Iterator[tuple[str, str]]:
    """(environment variable, description) of every setting below a model."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from variables(kind, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field.description or ""


def test_every_setting_is_documented_with_what_the_code_says_of_it() -> None:
    """docs/settings.md has one row a setting; its text is the field's own description."""
    rows = dict(
        re.findall(r"^\| `(FLEETLAKE_\w+)` \|[^|]*\| (.*) \|$", text("docs/settings.md"), re.MULTILINE)
    )
    assert rows == dict(variables(Settings))
    assert all(rows.values()), [name for name, description in rows.items() if not description]


def test_every_metric_is_documented() -> None:
    """docs/metrics.md has one row a metric, by the name that Prometheus sees."""
    documented = set(re.findall(r"^\| `(fleetlake_\w+)`", text("docs/metrics.md"), re.MULTILINE))
    registry = SinkMetrics("history").registry
    HttpMetrics("api", registry)
    registries = (registry, GatewayMetrics().registry, AlertMetrics().registry)
    families = [family for each in registries for family in each.collect()]
    assert documented == {f.name + ("_total" if f.type == "counter" else "") for f in families}


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_command_in_a_document_exists(document: Path) -> None:
    """`fleetlake NAME` in code means a command of that name."""
    named = set(re.findall(r"(?:`|bin/)fleetlake ([a-z]+)", document.read_text()))
    assert named <= {name.partition(" ")[0] for name in COMMANDS}


def test_every_command_is_in_the_documents() -> None:
    """Nothing that can be called is left to be found by chance."""
    everything = "\n".join(path.read_text() for path in DOCS)
    assert [name for name in COMMANDS if f"fleetlake {name}" not in everything] == []


def test_the_columns_of_bronze_are_those_of_the_schema() -> None:
    """docs/architecture.md lists them in order."""
    listed = re.search(
        r"`bronze\.events`, one row per Kafka message: `([^`]+)`", text("docs/architecture.md")
    )
    assert listed is not None
    assert [name.strip() for name in listed.group(1).split(",")] == BRONZE.names


def test_every_table_of_the_models_is_documented_as_they_say() -> None:
    """docs/marts.md is written from them: `python -m transforms.document docs/marts.md`."""
    assert text("docs/marts.md") == page(load_models())


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Relative links name files of the project: not what only this checkout holds."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
        if shutil.which("git"):
            looked = subprocess.run(["git", "check-ignore", "-q", document.parent / target], cwd=ROOT)
            assert looked.returncode != 0, f"{target} is ignored by git"


def test_what_the_guarantees_rest_on_exists() -> None:
    """Each test and each fault case that docs/guarantees.md names can be run."""
    page = text("docs/guarantees.md")
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"`(test_\w+)`", page))
    assert tests <= set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    assert cases_named_in(page) <= load_cases().keys()


def test_every_promise_names_what_shows_it() -> None:
    """A promise without a test or a fault case is only a sentence."""
    promises = re.split(r"^## ", text("docs/guarantees.md"), flags=re.MULTILINE)
    numbered = [promise for promise in promises if re.match(r"\d\.", promise)]
    assert len(numbered) == 8
    assert [promise for promise in numbered if "Tests: `test_" not in promise] == []


def cases_named_in(page: str) -> set[str]:
    """Names in the paragraphs that list fault cases."""
    listed = re.findall(r"^Fault cases: (.*?)(?:\.\n|\n\n|\Z)", page, re.MULTILINE | re.DOTALL)
    return {name for names in listed for name in re.findall(r"`(\w+)`", names)}


def text(name: str) -> str:
    return (ROOT / name).read_text()
