"""The live page's built files, where they are installed: the page itself at `/`, its parts below it."""

from pathlib import Path

from starlette.staticfiles import StaticFiles

DIST = Path(__file__).resolve().parent / "page" / "dist"
INDEX = "index.html"


def page_files(folder: Path = DIST) -> StaticFiles | None:
    """None where the page was not built."""
    return StaticFiles(directory=folder, html=True) if (folder / INDEX).is_file() else None


def page_paths(folder: Path = DIST) -> list[str]:
    """The addresses of the page's files, which need no key: prefixes end in a slash."""
    if not (folder / INDEX).is_file():
        return []
    parts = sorted(folder.iterdir())
    return ["/", *(f"/{part.name}/" if part.is_dir() else f"/{part.name}" for part in parts)]
