"""The key of cursors that nobody has given."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fleetlake.cursor_key import FILE, KEY_BYTES, cursor_key


def test_all_who_ask_at_once_have_the_same_key(tmp_path: Path) -> None:
    """It stays, is nobody else's to read, and no draft of it is left."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: cursor_key(tmp_path / "data"), range(32)))
    assert found == {cursor_key(tmp_path / "data")}
    assert [each.name for each in (tmp_path / "data").iterdir()] == [FILE.name]
    assert stat.S_IMODE((tmp_path / "data" / FILE).stat().st_mode) == 0o600


def test_every_data_folder_has_its_own(tmp_path: Path) -> None:
    """It is made of nothing that can be known."""
    assert cursor_key(tmp_path / "a") != cursor_key(tmp_path / "b")


def test_where_nothing_can_be_kept_each_process_has_its_own(tmp_path: Path) -> None:
    """A folder that is none."""
    (tmp_path / "file").write_text("")
    key = cursor_key(tmp_path / "file")
    assert len(key) == KEY_BYTES
    assert key != cursor_key(tmp_path / "file")
