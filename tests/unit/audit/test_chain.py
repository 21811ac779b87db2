"""What the chain covers, and how values are made storable."""

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.audit import AuditDetailError
from isp_plugins.audit.chain import (
    FIRST_MAC,
    MAX_VALUE_CHARS,
    Entry,
    Head,
    canonical,
    clean_details,
    clean_text,
)

KEY = bytes(range(32))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


def entry(**changes: Any) -> Entry:
    values: dict[str, Any] = {name: name for name in Entry.__slots__}
    values |= {"id": 1, "sequence": 1, "at": datetime(2030, 1, 1, tzinfo=UTC), "details": {}}
    return Entry(**(values | changes))


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_clean_details_survive_any_database(details: dict[str, Any]) -> None:
    cleaned = clean_details(details)
    text = canonical(cleaned)
    assert canonical(clean_details(json.loads(text))) == text
    assert b"\\u0000" not in text


@pytest.mark.parametrize(
    "value",
    [
        b"secret",
        object(),
        float("nan"),
        float("inf"),
        datetime(2030, 1, 1, tzinfo=UTC),
        {"deep": [b"secret"]},
    ],
)
def test_what_is_not_json_is_refused_without_being_repeated(value: Any) -> None:
    with pytest.raises(AuditDetailError) as raised:
        clean_details({"place": value})
    assert "audit detail place" in str(raised.value)
    assert "secret" not in str(raised.value)


class Word(StrEnum):
    ONE = "one"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (3.0, 3),
        (-0.0, 0),
        (0.1, 0.1),
        (2**80, hex(2**80)),
        (1e300, hex(int(1e300))),
        (True, True),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (Word.ONE, "one"),
    ],
)
def test_a_value_is_kept_as_both_databases_give_it_back(value: Any, kept: Any) -> None:
    assert clean_details({"x": value}) == {"x": kept}


@pytest.mark.parametrize("value", ["x" * 5000, ["x"] * 5000, {str(number): number for number in range(5000)}])
def test_a_long_detail_is_cut(value: Any) -> None:
    cut = clean_details({"x": value})["x"]
    assert cut.startswith((value if isinstance(value, str) else canonical(value).decode())[:MAX_VALUE_CHARS])
    assert cut.endswith("more characters)")


def test_text_is_cut_to_its_column_and_made_storable() -> None:
    assert (
        clean_text("a\x00\ud800" + "b" * 300, 200)
        == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" + "b" * 197
    )


@pytest.mark.parametrize(
    "name", [name for name in Entry.__slots__ if name not in {"id", "sequence", "at", "details"}]
)
def test_a_mac_covers_every_text(name: str) -> None:
    assert entry(**{name: "other"}).mac(KEY, FIRST_MAC) != entry().mac(KEY, FIRST_MAC)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 2},
        {"sequence": 2},
        {"at": datetime(2030, 1, 1, microsecond=1, tzinfo=UTC)},
        {"details": {"a": None}},
        {"source": None},
    ],
)
def test_a_mac_covers_the_rest(change: dict[str, Any]) -> None:
    assert entry(**change).mac(KEY, FIRST_MAC) != entry().mac(KEY, FIRST_MAC)


def test_a_mac_depends_on_the_entry_before() -> None:
    assert entry().mac(KEY, b"1" * 32) != entry().mac(KEY, FIRST_MAC)


def test_a_mac_does_not_depend_on_how_the_moment_is_written() -> None:
    elsewhere = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert entry(at=elsewhere).mac(KEY, FIRST_MAC) == entry().mac(KEY, FIRST_MAC)


@pytest.mark.parametrize(
    "other",
    [
        Head("b", 1, FIRST_MAC, "k"),
        Head("a", 2, FIRST_MAC, "k"),
        Head("a", 1, KEY, "k"),
        Head("a", 1, FIRST_MAC, "l"),
    ],
)
def test_a_seal_covers_the_whole_head(other: Head) -> None:
    assert other.seal(KEY) != Head("a", 1, FIRST_MAC, "k").seal(KEY)
