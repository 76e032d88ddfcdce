"""The file of API keys: what is in it, who may see it, and changes by several processes."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.access import Scope
from fleetlake.web.key_file import KeyExists, KeysUnreadable, NoSuchKey, add, read_keys, revoke
from fleetlake.web.key_ring import KeyRing
from fleetlake.web.keys import Key, digest
from tests.fleetlake.web.conftest import MakeKey

ENTRY = """\
keys:
- name: dashboard
  id: 0123456789ab
  sha256: {sha256}
  scopes: [read]
  created: 2026-11-30T02:00:00Z
"""
SECRET = "s" * 43
KEY = f"flk_0123456789ab_{SECRET}"


def entry(more: str = "") -> str:
    return ENTRY.format(sha256=digest(SECRET)) + more


def test_the_file_has_no_secret_and_is_nobody_elses(make_key: MakeKey, keys_file: Path) -> None:
    """A backup of it lets nobody in."""
    key = make_key("dashboard", Scope.READ, fleets=frozenset({"north", "south"}))
    text = keys_file.read_text()
    secret = key.split("_", 2)[2]
    assert secret not in text
    assert digest(secret) in text
    assert keys_file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in read_keys(keys_file)] == ["dashboard"]


def test_a_change_keeps_mode_and_place(make_key: MakeKey, keys_file: Path, tmp_path: Path) -> None:
    """A group may be allowed to read it, and it may lie elsewhere."""
    elsewhere = tmp_path / "elsewhere" / "keys.yml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("keys: []\n")
    elsewhere.chmod(0o640)
    keys_file.symlink_to(elsewhere)
    make_key("dashboard", Scope.READ)
    assert keys_file.is_symlink()
    assert elsewhere.stat().st_mode & 0o777 == 0o640
    assert len(read_keys(keys_file)) == 1


def test_no_two_keys_are_alike(make_key: MakeKey) -> None:
    """256 random bits behind an id."""
    keys = {make_key(f"key-{number}", Scope.READ) for number in range(5)}
    assert len({key.split("_", 2)[1] for key in keys}) == 5
    assert {len(key.split("_", 2)[2]) for key in keys} == {43}


def test_a_name_is_taken_once(make_key: MakeKey, keys_file: Path) -> None:
    """Logs would not tell two keys apart."""
    make_key("dashboard", Scope.READ)
    with pytest.raises(KeyExists, match="dashboard"):
        make_key("dashboard", Scope.ADMIN)
    revoke(keys_file, "dashboard")
    with pytest.raises(NoSuchKey, match="keys list"):
        revoke(keys_file, "dashboard")
    assert read_keys(keys_file) == ()


def test_a_file_written_by_hand_is_understood(keys_file: Path) -> None:
    """With bare times and days, as YAML has them: a day is meant to its end, in UTC."""
    keys_file.write_text(entry("  expires: 2027-01-31\n"))
    key = read_keys(keys_file)[0]
    assert key.created == datetime(2026, 11, 30, 2, tzinfo=UTC)
    assert key.expires == datetime(2027, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(("after", "is_good"), [(timedelta(0), False), (timedelta(seconds=-1), True)])
def test_a_key_is_good_until_its_day_ends(keys_file: Path, after: timedelta, is_good: bool) -> None:
    """Not a second longer."""
    keys_file.write_text(entry("  expires: 2027-01-31\n"))
    now = datetime(2027, 2, 1, tzinfo=UTC) + after
    assert (KeyRing(keys_file, now=lambda: now).principal(KEY) is not None) is is_good


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("keys: [", "no YAML"),
        ("- a", "valid dictionary"),
        ("keys:\n- name: a\n", "keys.0.id"),
        (entry().replace("[read]", "[root]"), "keys.0.scopes"),
        (entry().replace("[read]", "[]"), "keys.0.scopes"),
        (entry().replace("dashboard", "'a b'"), "keys.0.name"),
        (entry("  secret: x\n"), "keys.0.secret"),
        (entry("  expires: soon\n"), "keys.0.expires"),
        (entry() + entry().removeprefix("keys:\n"), "two keys have the name"),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
        ("\x00", "no YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(keys_file: Path, text: str, problem: str) -> None:
    """Where, and nothing of a hash."""
    keys_file.write_text(text)
    keys_file.chmod(0o600)
    with pytest.raises(KeysUnreadable, match=problem) as caught:
        read_keys(keys_file)
    assert digest(SECRET) not in str(caught.value)
    assert KeyRing(keys_file).principal(KEY) is None


def test_a_change_of_a_broken_file_leaves_it_as_it_is(make_key: MakeKey, keys_file: Path) -> None:
    """Or the other keys would be gone."""
    keys_file.write_text("keys: [")
    keys_file.chmod(0o600)
    with pytest.raises(KeysUnreadable):
        make_key("dashboard", Scope.READ)
    assert keys_file.read_text() == "keys: ["


def test_a_folder_in_the_place_of_the_file_lets_nobody_in(keys_file: Path) -> None:
    """Whatever it is, it is not no authentication."""
    keys_file.mkdir()
    keys = KeyRing(keys_file)
    assert keys.was_seen
    assert keys.principal(KEY) is None


def test_two_processes_at_once_lose_no_key(keys_file: Path) -> None:
    """One waits for the other."""
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from contracts.access import Scope\n"
        "from fleetlake.web.key_file import add; from fleetlake.web.keys import Key\n"
        "for n in range(10):\n"
        "    now = datetime.now(UTC)\n"
        "    new = Key.new(f'{sys.argv[2]}{n}', frozenset([Scope.READ]), None, created=now, expires=None)\n"
        "    add(Path(sys.argv[1]), new[0])\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, keys_file, name]) for name in "ab"]
    assert [child.wait(60) for child in children] == [0, 0]
    assert len(read_keys(keys_file)) == 20
    assert sorted(each.name for each in keys_file.parent.iterdir()) == [".keys.yml.lock", "keys.yml"]


def test_an_entry_survives_the_file(keys_file: Path) -> None:
    """All of it."""
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    entry, _ = Key.new(
        "all", frozenset(Scope), frozenset({"a", "ü: #"}), created=now, expires=now + timedelta(days=1)
    )
    add(keys_file, entry)
    assert read_keys(keys_file) == (entry,)
