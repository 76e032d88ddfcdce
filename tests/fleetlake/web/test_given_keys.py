"""Keys that `make env` made become those of the interfaces."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.access import Scope
from fleetlake.web.given_keys import GivenKeysUnreadable, take_over
from fleetlake.web.key_file import add, read_keys
from fleetlake.web.key_ring import KeyRing
from fleetlake.web.keys import Key

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ONE, OTHER = (f"flk_{digit * 12}_{digit * 43}" for digit in "ab")


def test_given_keys_let_in_and_the_file_has_only_hashes(tmp_path: Path) -> None:
    """With the scopes of their line; keys of other names stay, and a second time nothing changes."""
    given, file = tmp_path / "given", tmp_path / "keys.yml"
    given.write_text(f"# made by hand\n\nmetrics read {ONE}\ndevices ingest,read {OTHER}\n")
    mine, key = Key.new("mine", frozenset({Scope.SQL}), None, created=NOW, expires=None)
    add(file, mine)

    assert take_over(given, file, NOW) == ["metrics", "devices"]

    ring = KeyRing(file)
    found = [ring.principal(each) for each in (ONE, OTHER, key)]
    assert [each and each.name for each in found] == ["metrics", "devices", "mine"]
    assert found[1] is not None
    assert found[1].scopes == {Scope.INGEST, Scope.READ}
    assert ONE.rpartition("_")[2] not in file.read_text()
    before = file.read_text()
    assert take_over(given, file, datetime(2027, 1, 1, tzinfo=UTC)) == []
    assert file.read_text() == before


def test_a_new_key_of_a_name_replaces_the_former_one(tmp_path: Path) -> None:
    """Secrets are changed by a new file and another `fleetlake init`."""
    given, file = tmp_path / "given", tmp_path / "keys.yml"
    given.write_text(f"metrics read {ONE}")
    take_over(given, file, NOW)
    given.write_text(f"metrics read {OTHER}")
    assert take_over(given, file, NOW) == ["metrics"]
    assert KeyRing(file).principal(ONE) is None
    assert [key.name for key in read_keys(file)] == ["metrics"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"metrics {ONE}", "a line has a name, scopes and a key"),
        ("metrics read flk_short", "the third word is no key"),
        (f"metrics write,read {ONE}", "there is no scope write"),
        (f"my:name read {ONE}", "should match pattern"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_shows_no_key(tmp_path: Path, line: str, problem: str) -> None:
    """And nothing of the file is taken over."""
    given, file = tmp_path / "given", tmp_path / "keys.yml"
    given.write_text(f"good read {OTHER}\n{line}\n")
    with pytest.raises(GivenKeysUnreadable, match=f"line 2: .*{problem}") as caught:
        take_over(given, file, NOW)
    assert ONE not in str(caught.value)
    assert not file.exists()
