"""A parameter that a route does not have is refused, on every route: it is a typing error, or meant for
another route, and an answer without it would be to another question, and look like one to this."""

from collections.abc import Collection, Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from serving.parameters import invalid

LONGEST_SHOWN = 100


class OnlyKnown:
    """A dependency of all routes of one application."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    async def __call__(self, request: Request) -> None:
        """Raises an `invalid-request` Problem for a parameter that is unknown, or is given twice."""
        if not request.scope["query_string"]:
            return
        known = self._of(request.scope["route"])
        given = set[str]()
        for name, _ in request.query_params.multi_items():
            if name not in known:
                raise invalid(name[:LONGEST_SHOWN], f"there is no such parameter; {_told(known)}")
            if name in given:
                raise invalid(name, "it is given twice")
            given.add(name)

    def _of(self, route: APIRoute) -> frozenset[str]:
        """By the route's path: each has one method."""
        found = self._names.get(route.path)
        if found is None:
            found = self._names[route.path] = frozenset(_query_names(route.dependant))
        return found


def _query_names(asked: Dependant) -> Iterator[str]:
    """Of a route, and of what it depends on."""
    yield from (each.alias for each in asked.query_params)
    for inner in asked.dependencies:
        yield from _query_names(inner)


def _told(known: Collection[str]) -> str:
    return f"this route has {', '.join(sorted(known))}" if known else "this route has none"
