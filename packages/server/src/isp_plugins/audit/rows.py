"""Reads the audit tables as they lie there, so that a value of the wrong kind is a finding and not a crash.

SQLite lets any column hold anything: every column is read as bytes and decoded here. PostgreSQL's columns have their kinds.
"""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.audit.chain import Entry, Head
from isp_plugins.audit.verification import SealedHead

INTEGERS = ("id", "sequence")
TEXTS = (
    "node",
    "tag",
    "outcome",
    "actor_type",
    "actor_id",
    "actor_name",
    "subject_type",
    "subject_id",
    "key_id",
)
OPTIONAL_TEXTS = ("source", "request_id")
COLUMNS = (*INTEGERS, *TEXTS, *OPTIONAL_TEXTS, "at", "details", "mac")
BATCH = 200
"""Entries read at once: verifying them holds the loop up for some 10 ms."""


async def entries(session: AsyncSession) -> AsyncIterator[tuple[str, int | None, Entry | None, bytes]]:
    """Every entry in order of node and sequence: `(node, sequence, entry, mac)`; entry None if it cannot be read."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    shown = ", ".join(
        f"CAST({name} AS BLOB) AS {name}" if on_sqlite else _on_postgresql(name) for name in COLUMNS
    )
    # Only our own column names are put into the text.
    statement = text(f"SELECT {shown} FROM audit_entries AS e ORDER BY e.node, e.sequence, e.id")  # noqa: S608  no value from outside
    result = await session.stream(statement, execution_options={"yield_per": BATCH})
    async for batch in result.mappings().partitions(BATCH):
        for row in batch:
            yield _read(row)


async def heads(session: AsyncSession) -> dict[str, SealedHead | None]:
    """Every node's head row; None if it cannot be read."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    names = ("node", "count", "mac", "seal", "key_id")
    shown = ", ".join(f'CAST("{name}" AS BLOB) AS "{name}"' if on_sqlite else f'"{name}"' for name in names)
    rows = (await session.execute(text(f"SELECT {shown} FROM audit_heads"))).mappings()  # noqa: S608  no value from outside
    found: dict[str, SealedHead | None] = {}
    for row in rows:
        try:
            head = Head(_text(row["node"]), _integer(row["count"]), _bytes(row["mac"]), _text(row["key_id"]))
            found[head.node] = SealedHead(head, _bytes(row["seal"]))
        except ValueError:
            found[_shown(row["node"])] = None
    return found


def _on_postgresql(name: str) -> str:
    # JSONB has one spelling for one value; the driver's own decoding would hide what kind it is.
    return f"CAST({name} AS TEXT) AS {name}" if name == "details" else name


def _read(row: Mapping[Any, Any]) -> tuple[str, int | None, Entry | None, bytes]:
    node = _shown(row["node"])
    try:
        sequence = _integer(row["sequence"])
    except ValueError:
        return node, None, None, b""
    try:
        values: dict[str, Any] = {name: _integer(row[name]) for name in INTEGERS}
        values |= {name: _text(row[name]) for name in TEXTS}
        values |= {name: None if row[name] is None else _text(row[name]) for name in OPTIONAL_TEXTS}
        entry = Entry(at=_moment(row["at"]), details=_details(row["details"]), **values)
        return node, sequence, entry, _bytes(row["mac"])
    except (ValueError, RecursionError):
        return node, sequence, None, b""


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004  one error for everything that is not as recorded
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bytes) and value.isdigit() and (value[:1] != b"0" or value == b"0"):
        return int(value[:20])
    if type(value) is not int:
        raise ValueError("not a whole number")
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("not bytes")  # noqa: TRY004  one error for everything that is not as recorded
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    written = _text(value)
    moment = datetime.fromisoformat(written)
    # Another spelling of the same moment was not written by us.
    if moment.tzinfo is not None or moment.isoformat(" ", "microseconds") != written:
        raise ValueError("not a moment as it is recorded")
    return moment.replace(tzinfo=UTC)


def _details(value: Any) -> dict[str, Any]:
    details = json.loads(_text(value), object_pairs_hook=_without_repetition)
    if not isinstance(details, dict):
        raise ValueError("not an object")  # noqa: TRY004  one error for everything that is not as recorded
    return details


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _shown(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
