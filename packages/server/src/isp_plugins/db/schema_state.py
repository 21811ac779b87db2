"""Decides what a database found at start means, without touching it.

1. No tables: it is ours to create.
2. Tables, but no marker of ours: it is foreign and refused.
3. A revision that we know: current, or older and to be migrated.
4. A revision that we do not know is newer: usable only if it says that a schema known to us still fits (`compatible_from`).
5. What several migrations together are compatible from is what the strictest of them is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from isp_plugins.db.errors import DatabaseForeignError, DatabaseNewerError

APPLICATION = "isp-plugins"
"""The value of `application` in `system_metadata`."""
SHOWN_TABLES = 5


class Step(StrEnum):
    """What to do with the database."""

    CREATE = "create"
    """It is empty: run every migration."""
    UPGRADE = "upgrade"
    """It is older: back it up and run the migrations that it lacks."""
    KEEP = "keep"
    """It fits as it is."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was read from a database."""

    tables: frozenset[str]
    application: str | None = None
    revision: str | None = None
    compatible_from: str | None = None


def step_for(found: Found, known: Sequence[str]) -> Step:
    """The step for what was found, `known` being our revisions, oldest first; `DatabaseForeignError`, `DatabaseNewerError`."""
    if not found.tables:
        return Step.CREATE
    if found.application != APPLICATION or found.revision is None:
        shown = sorted(found.tables)[:SHOWN_TABLES]
        raise DatabaseForeignError(
            tables=", ".join(shown) + (", ..." if len(found.tables) > SHOWN_TABLES else "")
        )
    if found.revision == known[-1]:
        return Step.KEEP
    if found.revision in known:
        return Step.UPGRADE
    if found.compatible_from in known:
        return Step.KEEP
    raise DatabaseNewerError(found=found.revision, known=known[-1])


def compatible_from(found: Found, marks: Mapping[str, str]) -> str:
    """The oldest revision whose code can still use what was found once it is migrated; `marks` are those of every revision, oldest first."""
    known = list(marks)
    begin = known.index(found.revision) + 1 if found.revision in known else 0
    oldest = [found.compatible_from] if begin else []
    oldest += [marks[revision] for revision in known[begin:]]
    return max((one for one in oldest if one in known), key=known.index, default=known[-1])
