"""What every body shares: inputs refuse what they do not know, outputs are read from attributes, lists have one shape.

1. An input takes a JSON type only for what it is: no "5" for 5, no 1 for true.
2. A name or text that reaches the database has a greatest length, that of its column.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema

T = TypeVar("T")

MAX_PAGE_SIZE = 200
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Input(BaseModel):
    """A request body."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Output(BaseModel):
    """An answer."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


def _switch(value: Any) -> Any:
    """`true` or `false` of a query; other spellings are left to be refused."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _moment(value: Any) -> Any:
    """RFC 3339 text as it came; pydantic would take numbers and bare days as well."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("expected a moment as in RFC 3339, like 2030-12-31T00:00:00Z")


LENIENT = Field(strict=False)
"""For an enum in a strict body: its JSON form is text, which strictness alone would refuse."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A name; at most 200 characters."""
Name200 = Annotated[str, StringConstraints(max_length=200)]
LongText = Annotated[str, StringConstraints(max_length=20_000)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
HookName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    Field(strict=False, description="RFC 3339, with its offset from UTC.", examples=["2030-12-31T00:00:00Z"]),
]
Switch = Annotated[bool, BeforeValidator(_switch), Field(strict=True)]
"""A flag in a query: `true` or `false`."""
JsonValue = Annotated[Any, WithJsonSchema({"description": "Any JSON value."})]
JsonObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    page: Annotated[int, Field(ge=1, le=1_000_000, description="Which page, from 1.")] = 1
    size: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE, description="How many on a page.")] = 50


class PageOf(Output, Generic[T]):
    """One page of a list."""

    items: list[T]
    total: int = Field(ge=0, description="How many there are in all.")
    page: int
    size: int
    pages: int = Field(description="How many pages there are; 0 when there is nothing.")


class Mistake(Output):
    """One thing that is wrong with a request."""

    path: str = Field(description="Where it is, like `hooks.0.priority` or `query.page`.")
    message: str
    expected: JsonValue = None
    got: JsonValue = None
    line: int | None = Field(
        default=None, description="Where it is in a file that was read, like a manifest."
    )


class Problem(Output):
    """An RFC 9457 problem document."""

    type: str = Field(
        description="Stable; explained at this address.", examples=["/problems/plugin-not-found"]
    )
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What was expected, what came, and what to do next.")
    instance: str = Field(
        description="`urn:request:` and the id of the request, as in `X-Request-ID` and in the logs."
    )
    errors: list[Mistake] | None = Field(
        default=None, description="Single mistakes, where there are several."
    )
    next_step: str | None = None
    dispatch: JsonObject | None = Field(
        default=None, description="How the rest of a dispatch went whose events could not be kept."
    )


def absent() -> Any:
    """The default of a field that may be left out but is never null; `exclude_unset` drops it."""
    return None


__all__ = [
    "LENIENT",
    "HookName",
    "Id",
    "Input",
    "JsonObject",
    "JsonValue",
    "LongText",
    "Mistake",
    "Moment",
    "Name200",
    "Output",
    "PageOf",
    "PageQuery",
    "Problem",
    "Switch",
    "Word",
    "absent",
    "datetime",
]
