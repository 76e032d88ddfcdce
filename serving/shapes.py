"""How routes describe themselves in the OpenAPI document: every status that may come, the media types of
tables, and models of rows made from what the marts say of their columns."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, create_model

from contracts.problem import MEDIA_TYPE, STATUS, Kind
from lake.reading import Mart
from serving.answers import ARROW, CSV

Responses = dict[int | str, dict[str, Any]]

ANYWHERE = (
    Kind.INVALID_REQUEST,
    Kind.UNAUTHENTICATED,
    Kind.FORBIDDEN,
    Kind.NOT_FOUND,
    Kind.NOT_ACCEPTABLE,
    Kind.TIMEOUT,
    Kind.TOO_LARGE,
    Kind.TOO_MANY_REQUESTS,
    Kind.INTERNAL,
    Kind.UNAVAILABLE,
)
"""Kinds of problem that any route may answer: of the shell, of the stores, of parameters."""


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class ProblemShape(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str = Field(description="`urn:fleetlake:problem:` and its kind")
    title: str = Field(description="the kind, for people")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong here, and what to do")


class Page(Shape):
    """What every page has."""

    next_cursor: str | None = Field(description="`cursor` of the next page; null where this is the last one")


def statuses(*more: Kind, is_table: bool = False) -> Responses:
    """What a route may answer beside its document."""
    found: Responses = {
        STATUS[kind]: {"model": ProblemShape, "description": kind.replace("-", " ")}
        for kind in (*ANYWHERE, *more)
    }
    found[304] = {"description": "the client has it already, as its If-None-Match says"}
    if is_table:
        text = {"schema": {"type": "string"}}
        found[200] = {"content": {CSV: text, ARROW: {"schema": {"type": "string", "format": "binary"}}}}
    return found


def row_shape(name: str, mart: Mart, **more: Any) -> type[BaseModel]:
    """The columns of a mart as a model; `more` are fields beside them."""
    columns: dict[str, Any] = {
        field.name: (
            _python(field.type) | None if field.nullable else _python(field.type),
            Field(description=mart.about.columns.get(field.name, "")),
        )
        for field in mart.columns
    }
    return create_model(name, __base__=Shape, __doc__=mart.about.text.strip(), **{**more, **columns})


def page_shape(name: str, member: str, row: type[BaseModel]) -> type[BaseModel]:
    """A page of rows under a name."""
    return create_model(name, __base__=Page, **{member: (list[row], Field(description="the rows"))})  # type: ignore[call-overload,valid-type,no-any-return]  # models made at run time


def _python(kind: pa.DataType) -> Any:
    if pa.types.is_timestamp(kind):
        return datetime
    if pa.types.is_date(kind):
        return date
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_integer(kind):
        return int
    return float if pa.types.is_floating(kind) else str


def tidy(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document with what it cannot know: a parameter that is refused is a problem with status
    400, and problems have a media type of their own."""
    for routes in document.get("paths", {}).values():
        for operation in routes.values():
            operation["responses"].pop("422", None)
            _mark_problems(operation["responses"])
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document


def _mark_problems(responses: Mapping[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if int(status) >= 400 and "application/json" in content:
            content[MEDIA_TYPE] = content.pop("application/json")
