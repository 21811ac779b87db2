"""What a database found at start means."""

import pytest

from isp_plugins.db.errors import DatabaseForeignError, DatabaseNewerError
from isp_plugins.db.schema_state import Found, Step, compatible_from, step_for

KNOWN = ["0001", "0002", "0003"]
TABLES = frozenset({"plugins"})


def found(
    revision: str | None, compatible_from: str | None = "0001", application: str | None = "isp-plugins"
) -> Found:
    return Found(TABLES, application, revision, compatible_from)


def test_an_empty_database_is_created() -> None:
    assert step_for(Found(frozenset()), KNOWN) is Step.CREATE


def test_the_newest_known_schema_is_kept() -> None:
    assert step_for(found("0003"), KNOWN) is Step.KEEP


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_an_older_schema_is_upgraded(revision: str) -> None:
    assert step_for(found(revision), KNOWN) is Step.UPGRADE


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(DatabaseNewerError, match=r"schema 0005.*knows schemas up to 0003"):
        step_for(found("0005", compatible_from="0004"), KNOWN)


def test_a_newer_schema_without_a_word_on_it_is_refused() -> None:
    with pytest.raises(DatabaseNewerError):
        step_for(found("0005", compatible_from=None), KNOWN)


@pytest.mark.parametrize("compatible_from", KNOWN)
def test_a_newer_schema_that_says_ours_fits_is_kept(compatible_from: str) -> None:
    assert step_for(found("0005", compatible_from), KNOWN) is Step.KEEP


@pytest.mark.parametrize(
    "strange", [found(None), found("0001", application=None), found("0001", application="other")]
)
def test_tables_without_our_marks_are_foreign(strange: Found) -> None:
    with pytest.raises(DatabaseForeignError, match="plugins"):
        step_for(strange, KNOWN)


def test_many_foreign_tables_are_not_all_listed() -> None:
    with pytest.raises(DatabaseForeignError, match=r"\(t0, t1, t2, t3, t4, \.\.\.\)"):
        step_for(Found(frozenset(f"t{number}" for number in range(9))), KNOWN)


@pytest.mark.parametrize(
    ("revision", "marked", "expected"),
    [
        (None, {"1": "1", "2": "1"}, "1"),
        (None, {"1": "1", "2": "2"}, "2"),
        ("1", {"1": "1", "2": "1", "3": "2"}, "2"),
        ("2", {"1": "1", "2": "2", "3": "1"}, "1"),
    ],
)
def test_the_strictest_of_the_migrations_says_from_which_schema_on_it_can_be_used(
    revision: str | None, marked: dict[str, str], expected: str
) -> None:
    assert compatible_from(found(revision, "1"), marked) == expected
