"""docs/runbook.md names every error, finding and event that a person may meet, and commands that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup

from fleetlake.audit.cures import CURES
from fleetlake.commands import COMMANDS

ROOT = Path(__file__).parent.parent
PACKAGES = ("contracts", "broker", "lake", "ingest", "simulate", "fleetlake", "infra")
PAGE = (ROOT / "docs" / "runbook.md").read_text()
NAMED = set(re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)))
AUDIT = ROOT / "fleetlake" / "audit"
MAKERS = {"Problem", "_problem", "_missing"}
REPORTERS = {"_report", "report"}
LEVELS = {"warning", "error"}


def trees(*folders: Path) -> Iterator[ast.Module]:
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            yield ast.parse(file.read_text())


def calls(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """(name of what is called, its positional arguments as texts; empty where they are computed)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            yield name, [str(each.value) if isinstance(each, ast.Constant) else "" for each in node.args]


def errors_for_operators() -> set[str]:
    classes = (
        node
        for tree in trees(*(ROOT / package for package in PACKAGES))
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    return {node.name for node in classes if "Operator action:" in (ast.get_docstring(node) or "")}


def audit_findings() -> set[str]:
    """Kinds as they are given to what makes a problem, or chosen by `_kind`."""
    found = set(CURES)
    for tree in trees(AUDIT):
        found |= {arguments[0] for name, arguments in calls(tree) if name in MAKERS and arguments}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "_kind":
                texts = (str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant))
                found |= {text for text in texts if text.startswith("state_")}
    return found - {""}


def events() -> set[str]:
    """Events that are logged as a warning or an error."""
    found: set[str] = set()
    for tree in trees(ROOT / "broker", ROOT / "ingest", ROOT / "fleetlake"):
        for name, arguments in calls(tree):
            if name in LEVELS and arguments:
                found.add(arguments[0])
            elif name in REPORTERS and arguments and arguments[0] in LEVELS:
                found.add(arguments[1])
    return found - {""}


def doctor_findings() -> set[tuple[str, str]]:
    """(check, verdict) of everything that doctor finds not to be fine; `judge` is one of both."""
    verdicts = {"wrong": ["wrong"], "note": ["note"], "judge": ["wrong", "note"]}
    return {
        (arguments[0], verdict)
        for tree in trees(ROOT / "fleetlake" / "doctor")
        for name, arguments in calls(tree)
        for verdict in verdicts.get(name, [])
        if arguments and arguments[0]
    }


@pytest.mark.parametrize(
    "names", [errors_for_operators(), audit_findings(), events()], ids=["errors", "audit findings", "events"]
)
def test_everything_that_has_a_name_is_in_the_runbook(names: set[str]) -> None:
    """Who meets it finds what to do."""
    assert len(names) > 10
    assert names - NAMED == set()


def test_every_finding_of_doctor_has_its_row() -> None:
    """By the name of the check and its verdict."""
    rows = set(re.findall(r"^\| `(\w+)` (wrong|note) \|", PAGE, re.MULTILINE))
    assert rows == doctor_findings()


def test_every_subcommand_in_the_runbook_exists() -> None:
    """A repair that cannot be typed is none."""
    for name, subcommand in set(re.findall(r"fleetlake ([a-z]+) ([a-z]+)\b", PAGE)):
        if f"{name} {subcommand}" in COMMANDS:
            continue
        command = COMMANDS[name].load(name)
        if isinstance(command, TyperGroup):
            assert subcommand in command.commands, f"{name} {subcommand}"


def test_the_table_of_contents_leads_to_every_section() -> None:
    """And links inside the page lead somewhere."""
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^###? (.+)$", PAGE, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    assert links == anchors
