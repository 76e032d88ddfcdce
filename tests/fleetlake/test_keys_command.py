"""`fleetlake keys`, as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.access import Principal, Scope
from fleetlake import cli
from fleetlake.web.key_ring import KeyRing


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    capsys.readouterr()
    assert cli.run(["keys", *arguments]) == exit_code
    captured = capsys.readouterr()
    return captured.out if exit_code == 0 else captured.err


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(capsys, "list", "--json"))
    return found


def test_a_key_is_printed_once_and_is_good(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alone on stdout, so that a script can take it."""
    assert "no keys" in run(capsys, "list")
    options = ["--scope", "read", "--scope", "ingest", "--fleet", "north", "--expires", "2999-12-31"]
    key = run(capsys, "add", "dashboard", *options).strip()
    principal = KeyRing(data_dir / "keys.yml").principal(key)
    assert principal is not None
    assert principal == Principal("dashboard", frozenset({Scope.READ, Scope.INGEST}), frozenset({"north"}))
    row = listed(capsys)[0]
    assert (row["name"], row["scopes"], row["fleets"]) == ("dashboard", ["ingest", "read"], ["north"])
    assert row["expires"] == "3000-01-01T00:00:00Z"
    shown = run(capsys, "list")
    assert "dashboard" in shown
    assert key not in shown
    assert "sha256" not in run(capsys, "list", "--json")


def test_a_revoked_key_is_gone(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file stays: taking the last key out opens nothing."""
    key = json.loads(run(capsys, "add", "gone", "--scope", "admin", "--json"))["key"]
    assert KeyRing(data_dir / "keys.yml").principal(key) is not None
    assert run(capsys, "revoke", "gone") == "revoked gone\n"
    assert listed(capsys) == []
    assert KeyRing(data_dir / "keys.yml").principal(key) is None
    assert (data_dir / "keys.yml").exists()
    assert "no key 'gone'" in run(capsys, "revoke", "gone", exit_code=1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["dashboard"], "--scope"),
        (["dashboard", "--scope", "root"], "root"),
        (["a b", "--scope", "read"], "letters, digits"),
        (["oidc:someone", "--scope", "read"], "letters, digits"),
        (["dashboard", "--scope", "read", "--expires", "soon"], "no day like"),
        (["dashboard", "--scope", "read", "--expires", "2020-01-01"], "over already"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    data_dir: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    """Told in a line, and no file is made."""
    assert problem in run(capsys, "add", *arguments, exit_code=2)
    assert not (data_dir / "keys.yml").exists()


def test_the_settings_say_where_the_file_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the interfaces do."""
    monkeypatch.setenv("FLEETLAKE_HTTP__KEYS_FILE", str(tmp_path / "secrets" / "mine.yml"))
    run(capsys, "add", "dashboard", "--scope", "read")
    assert (tmp_path / "secrets" / "mine.yml").exists()


def test_a_fleet_that_nobody_is_of_is_told(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is made all the same: the registry may come later, or be on another machine."""
    registry = data_dir / "vehicles.csv"
    registry.write_text("vehicle_id,fleet\nN1,north\n")
    monkeypatch.setenv("FLEETLAKE_VEHICLES", str(registry))
    capsys.readouterr()
    assert cli.run(["keys", "add", "known", "--scope", "read", "--fleet", "north"]) == 0
    assert "registry" not in capsys.readouterr().err
    assert cli.run(["keys", "add", "odd", "--scope", "read", "--fleet", "nroth", "--fleet", "north"]) == 0
    told = capsys.readouterr()
    assert "no vehicle is of the fleet nroth in the vehicle registry" in told.err
    assert KeyRing(data_dir / "keys.yml").principal(told.out.strip()) is not None
    monkeypatch.delenv("FLEETLAKE_VEHICLES")
    assert cli.run(["keys", "add", "none", "--scope", "read", "--fleet", "north"]) == 0
    assert "FLEETLAKE_VEHICLES" in capsys.readouterr().err
