"""What a person at the terminal sees: help, wrong usage, failures, and the options of every command."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from broker.errors import BrokerUnavailable
from broker.record import TopicPartition
from fleetlake import cli, commands
from fleetlake.commands import COMMANDS, Entry
from fleetlake.failures import OperatorMustAct
from fleetlake.settings import Settings
from ingest.errors import CheckpointOutsideLog


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that prints its data folder, and one that fails as told."""
    module = type(sys)("fleetlake.commands.probe")

    def where() -> None:
        typer.echo(Settings().data_dir)

    def fail(how: str) -> None:
        raise {
            "unexpected": KeyError("x"),
            "broker": BrokerUnavailable("127.0.0.1:1", "list topics", "refused"),
            "operator": OperatorMustAct(CheckpointOutsideLog(TopicPartition("t", 0), 1, 5, 9)),
            "file": FileNotFoundError(2, "No such file or directory", "x.csv"),
        }[how]

    module.where, module.fail = where, fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fleetlake.commands.probe", module)
    monkeypatch.setattr(commands, "probe", module, raising=False)
    monkeypatch.setitem(COMMANDS, "where", Entry("Test", "probe", "where", "Say where."))
    monkeypatch.setitem(COMMANDS, "fail", Entry("Test", "probe", "fail", "Fail."))


def test_help_names_every_command_without_importing_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Help is quick because it loads no command."""
    before = set(sys.modules)
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    assert not [name for name in COMMANDS if name not in text]
    assert not [name for name in set(sys.modules) - before if name.startswith("fleetlake.commands.")]


@pytest.mark.parametrize("name", sorted({entry.module for entry in COMMANDS.values()}))
def test_every_command_of_the_help_exists(name: str) -> None:
    """The table of commands names modules and attributes that are there."""
    assert find_spec(f"fleetlake.commands.{name}") is not None
    for words, entry in COMMANDS.items():
        if entry.module == name:
            assert entry.load(words).name == words


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["status", "extra"]])
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And it says where the help is."""
    assert cli.run(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("fleetlake: ")
    assert "--help" in error


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize(
    ("how", "code", "text"),
    [
        ("unexpected", 1, "fleetlake: unexpected KeyError: 'x' (--debug shows where)"),
        ("operator", 3, "`fleetlake checkpoint skip t 0` goes on without them [CheckpointOutsideLog]"),
        ("file", 1, "fleetlake: No such file or directory: x.csv"),
        ("broker", 1, "`fleetlake up --detach` starts one"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    how: str, code: int, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A traceback only when it is asked for."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    assert cli.run(["fail", how]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert text in error
    assert cli.run(["fail", how, "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("probe")
@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_the_data_folder_is_taken_before_and_behind_the_command(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And from the environment, which an option beats."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path / "environment"))
    option = ["--data-dir", str(tmp_path / place)]
    arguments = {"before": [*option, "where"], "after": ["where", *option], "environment": ["where"]}[place]
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / place)


@pytest.mark.usefixtures("probe")
def test_a_bad_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable stands in the message."""
    monkeypatch.setenv("FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS", "soon")
    assert cli.run(["where"]) == 1
    assert capsys.readouterr().err.startswith("fleetlake: FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS: ")


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As `fleetlake X.Y.Z`."""
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fleetlake 0.")


@pytest.mark.usefixtures("probe")
def test_a_misspelt_variable_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, with the name that may be meant; the command runs all the same."""
    monkeypatch.setenv("FLEETLAKE_TRANSFORM__TRIP_STILL_S", "5")
    monkeypatch.setenv("FLEETLAKE_XYZ", "5")
    assert cli.run(["where"]) == 0
    said = capsys.readouterr().err.splitlines()
    meant = "did you mean FLEETLAKE_TRANSFORMS__TRIP_STILL_S?"
    assert said[0] == f"fleetlake: there is no setting FLEETLAKE_TRANSFORM__TRIP_STILL_S; {meant}"
    assert said[1].startswith("fleetlake: there is no setting FLEETLAKE_XYZ; `fleetlake doctor --json`")
