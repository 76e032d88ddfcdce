"""The live page is served where it was built, and only its own files need no key."""

from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from serving.page_files import page_files, page_paths
from tests.serving.scene import running


def test_a_page_that_was_not_built_is_none(tmp_path: Path) -> None:
    """And opens nothing."""
    assert page_files(tmp_path) is None
    assert page_paths(tmp_path / "nowhere") == []


def test_a_page_is_its_index_and_its_parts(tmp_path: Path) -> None:
    """The index at the root; folders are open as a whole."""
    (tmp_path / "index.html").write_text("<h1>fleet</h1>")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "page.js").write_text("1")
    assert page_paths(tmp_path) == ["/", "/assets/", "/index.html"]
    files = page_files(tmp_path)
    assert files is not None
    with running(Starlette(routes=[Mount("/", files)])) as address, httpx.Client(base_url=address) as client:
        index = client.get("/")
        assert (index.text, index.headers["cache-control"]) == ("<h1>fleet</h1>", "no-cache")
        part = client.get("/assets/page.js")
        assert part.status_code == 200
        assert "immutable" in part.headers["cache-control"]
        assert client.get("/assets/gone.js").status_code == 404
