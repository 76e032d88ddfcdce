"""The built page in the repository: it is of these sources, whole, and asks nobody but its own server."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "serving" / "page"
DIST = PAGE / "dist"
SOURCES = (
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "public",
    "src",
)

ADDRESS = re.compile(rb"""(?:https?:)?//([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,})""", re.IGNORECASE)
NAMES_ONLY = {
    b"www.w3.org",  # names of XML namespaces
    b"maplibre.org",  # the credit below the map: a link that a person may follow
    b"github.com",  # in texts of errors
    b"wiki.openstreetmap.org",  # in the text of the error that there is no WebGL
    b"maplibre.invalid",  # the base that MapLibre resolves relative addresses against
}
"""Hosts that stand in the files and are never asked."""


def source_files() -> list[Path]:
    """Everything that the built page is made of."""
    found = [PAGE / name for name in SOURCES]
    return [
        file for path in found for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()
    ]


def sources_hash() -> str:
    """As vite.config.ts computes it: a line for each file, in order of their paths."""
    paths = sorted((file.relative_to(PAGE).as_posix(), file) for file in source_files())
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {path}\n" for path, file in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_it_is_of_these_sources() -> None:
    """Whoever changes them builds the page again: `make page`."""
    assert (DIST / "sources.sha256").read_text().strip() == sources_hash()


class References(HTMLParser):
    """What a document loads."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline = False
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loaded += [value for name in ("src", "href") if tag != "a" and (value := given.get(name))]
        self.inline |= (tag == "script" and "src" not in given) or tag == "style"


def test_its_document_loads_only_files_that_are_there() -> None:
    """By relative addresses, and with no code in the document: the content security policy forbids that."""
    references = References((DIST / "index.html").read_text())
    assert len(references.loaded) >= 3
    assert not references.inline
    assert [name for name in references.loaded if not name.startswith("./")] == []
    assert [name for name in references.loaded if not (DIST / name).is_file()] == []


def test_every_file_is_loaded_from_somewhere() -> None:
    """Nothing is left of an older build."""
    texts = [
        file.read_text(errors="replace")
        for file in DIST.rglob("*")
        if file.suffix in {".html", ".js", ".css"}
    ]
    assets = [file.name for file in (DIST / "assets").iterdir()]
    assert [name for name in assets if not any(name in text for text in texts)] == []


@pytest.mark.parametrize("file", sorted(DIST.rglob("*.*")), ids=lambda file: file.name)
def test_no_file_names_another_host(file: Path) -> None:
    """The page works without internet, and tells nobody else who looks at it."""
    if file.name == "licences.txt":
        return
    assert set(ADDRESS.findall(file.read_bytes())) <= NAMES_ONLY


def test_it_ships_no_source_map_and_the_licences_of_what_is_in_it() -> None:
    """Of every package whose code or data is in it."""
    assert list(DIST.rglob("*.map")) == []
    licences = (DIST / "licences.txt").read_text()
    for name in ("maplibre-gl", "uplot", "preact", "topojson-client", "world-atlas"):
        assert re.search(rf"^{name} \d", licences, re.MULTILINE)


def test_the_lock_names_no_registry() -> None:
    """So that it installs from whichever registry npm is set to."""
    assert '"resolved"' not in (PAGE / "package-lock.json").read_text()
