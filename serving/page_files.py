"""The live page's built files, where they are installed: the page itself at `/`, its parts below it."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

DIST = Path(__file__).resolve().parent / "page" / "dist"
INDEX = "index.html"
ASSETS = "assets/"
"""Their names have a hash of what is in them: a changed file is another one."""

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
"""May be kept, and must be asked for again: the page names the newest assets."""


class PageFiles(StaticFiles):
    """Files that say how long they may be kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        is_found = answer.status_code in (200, 206, 304)
        answer.headers["Cache-Control"] = FOR_GOOD if is_found and path.startswith(ASSETS) else ASK_AGAIN
        return answer


def page_files(folder: Path = DIST) -> StaticFiles | None:
    """None where the page was not built."""
    return PageFiles(directory=folder, html=True) if (folder / INDEX).is_file() else None


def page_paths(folder: Path = DIST) -> list[str]:
    """The addresses of the page's files, which need no key: prefixes end in a slash."""
    if not (folder / INDEX).is_file():
        return []
    parts = sorted(folder.iterdir())
    return ["/", *(f"/{part.name}/" if part.is_dir() else f"/{part.name}" for part in parts)]
