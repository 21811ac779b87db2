"""Rules of `api.mistakes`: a request that does not fit is told what was expected and what came, in words."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from isp_plugins.api.mistakes import mistake_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Checked(BaseModel):
    key: str

    @field_validator("key")
    @classmethod
    def _check(cls, value: str) -> str:
        raise ValueError(f"expected a key, got {value} more than once")


def said_of(kind, value, **options):
    """What is said about a value in a body."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, **options)
    found = caught.value.errors()[0]
    return mistake_of({**found, "loc": ("body", *found["loc"])})["message"]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, "x", 'expected a whole number, got "x"'),
        (int, None, "expected a whole number, got null"),
        (int, 1.5, "expected a whole number, got 1.5"),
        (float, [], "expected a number, got a list"),
        (bool, "perhaps", 'expected true or false, got "perhaps"'),
        (str, 7, "expected a text, got 7"),
        (dict[str, int], [], "expected an object, got a list"),
        (list[int], {}, "expected a list, got an object"),
        (Checked, 5, "expected an object, got 5"),
        (datetime, "soon", 'expected a moment as in RFC 3339, like 2030-12-31T00:00:00Z, got "soon"'),
        (
            AwareDatetime,
            "2030-01-01T00:00:00",
            'expected a moment with its zone, like 2030-12-31T00:00:00Z, got "2030-01-01T00:00:00"',
        ),
        (Annotated[int, Field(ge=1)], 0, "expected at least 1, got 0"),
        (Annotated[int, Field(le=9)], 10, "expected at most 9, got 10"),
        (Annotated[int, Field(gt=1)], 1, "expected more than 1, got 1"),
        (Annotated[int, Field(lt=9)], 9, "expected less than 9, got 9"),
        (Annotated[str, StringConstraints(min_length=1)], "", 'expected at least 1 character, got ""'),
        (Annotated[str, StringConstraints(max_length=2)], "abc", 'expected at most 2 characters, got "abc"'),
        (Annotated[list[int], Field(min_length=2)], [1], "expected at least 2 entries, got a list"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "expected at most 1 entry, got a list"),
        (Colour, "green", 'expected one of red, blue, got "green"'),
        (Literal["only"], "other", 'expected only, got "other"'),
        (
            Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")],
            "1x",
            'expected a class\'s name, like MyPlugin, got "1x"',
        ),
        (
            Annotated[str, StringConstraints(pattern=r"^-?(id|name)$")],
            "colour",
            'expected one of id, name, with - before it for descending, got "colour"',
        ),
        (Annotated[str, StringConstraints(pattern="^x$")], "y", 'expected a text that matches ^x$, got "y"'),
        (Checked, {"key": "k"}, "expected a key, got k more than once"),
        (Checked, {}, "is missing"),
    ],
)
def test_mistake_says_what_was_expected_and_what_came(kind, value, message):
    assert said_of(kind, value) == message


def test_kind_that_is_not_known_here_keeps_the_librarys_sentence():
    assert said_of(complex, "x").startswith("expected ")


def test_long_text_is_not_repeated_whole():
    assert len(said_of(int, "x" * 1000)) < 120
