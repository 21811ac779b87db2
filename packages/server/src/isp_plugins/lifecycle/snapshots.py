"""What a plugin holds, as one piece that can be put back byte for byte: configuration, stored values, subscriptions; always in the caller's session.

1. Secrets stay the ciphertexts that they are; they are bound to the plugin's id, which an upgrade leaves alone. A rotation of keys renews them.
2. Putting back replaces everything of these tables; a subscription keeps its id, and with it what it is owed, wherever it is still there.
3. What a plugin marked as done once (`once`) is not part of it: what was done outside stays done.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, Table, delete, insert, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.configuration.store import CIPHERTEXT, ciphertext_in
from isp_plugins.db.tables import ConfigurationVersion, PluginConfiguration, PluginHook, PluginStorageItem
from isp_plugins.db.tables.base import UtcDateTime

HOOKS: Table = PluginHook.__table__  # type: ignore[assignment]
TABLES: tuple[Table, ...] = tuple(
    model.__table__  # type: ignore[misc]
    for model in (PluginConfiguration, ConfigurationVersion, PluginStorageItem)
)
_BY_NAME = {table.name: table for table in (*TABLES, HOOKS)}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of one plugin, by table."""

    rows: Mapping[str, Sequence[Row]] = field(repr=False)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        kept = {name: [_kept(_BY_NAME[name], row) for row in rows] for name, rows in self.rows.items()}
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def of(cls, content: bytes) -> "Snapshot":
        """As it was stored."""
        kept = json.loads(content)
        return cls({name: [_back(_BY_NAME[name], row) for row in rows] for name, rows in kept.items()})

    def renewed(self, renew: Callable[[str, bytes], bytes]) -> "Snapshot":
        """The same with each ciphertext anew, those of every version included; itself where nothing changed."""
        present = [_row_renewed(row, renew) for row in self.rows[PluginConfiguration.__tablename__]]
        versions = [_version_renewed(row, renew) for row in self.rows[ConfigurationVersion.__tablename__]]
        changed = {PluginConfiguration.__tablename__: present, ConfigurationVersion.__tablename__: versions}
        rows = {**self.rows, **changed}
        return self if rows == self.rows else Snapshot(rows)

    @property
    def holds_ciphertext(self) -> bool:
        """Whether anything in it is encrypted."""
        found = any(row["ciphertext"] is not None for row in self.rows[PluginConfiguration.__tablename__])
        versions = self.rows[ConfigurationVersion.__tablename__]
        return found or any(
            ciphertext_in(entry) is not None for row in versions for entry in row["entries"].values()
        )

    @property
    def entries(self) -> dict[str, Any]:
        """Its configuration, as a version keeps it."""
        return {
            row["key"]: {"ciphertext": base64.b64encode(row["ciphertext"]).decode()}
            if row["is_encrypted"]
            else {"value": row["value"]}
            for row in self.rows[PluginConfiguration.__tablename__]
        }


async def take(session: AsyncSession, plugin_id: int, hooks: frozenset[int] | None = None) -> Snapshot:
    """What the plugin holds now; of its subscriptions only these, where a new version has added its own already."""
    rows = {table.name: await _rows(session, table, plugin_id) for table in TABLES}
    found = await _rows(session, HOOKS, plugin_id)
    return Snapshot(rows | {HOOKS.name: [row for row in found if hooks is None or row["id"] in hooks]})


async def put_back(session: AsyncSession, plugin_id: int, snapshot: Snapshot) -> None:
    """Make the plugin hold exactly that."""
    for table in TABLES:
        await session.execute(delete(table).where(table.c.plugin_id == plugin_id))
        for row in snapshot.rows[table.name]:
            await session.execute(insert(table).values(_storable(table, row)))
    await _put_hooks_back(session, plugin_id, snapshot.rows[HOOKS.name])


async def _put_hooks_back(session: AsyncSession, plugin_id: int, rows: Sequence[Row]) -> None:
    """Rows that are still there are changed; others go, or come back, under a new id where another plugin has theirs by now."""
    wanted = {row["id"]: row for row in rows}
    mine = set(await session.scalars(select(HOOKS.c.id).where(HOOKS.c.plugin_id == plugin_id)))
    if gone := mine - set(wanted):
        await session.execute(delete(HOOKS).where(HOOKS.c.id.in_(gone)))
    taken = set(await session.scalars(select(HOOKS.c.id).where(HOOKS.c.id.in_(set(wanted) - mine))))
    for number, row in wanted.items():
        if number in mine:
            await session.execute(update(HOOKS).where(HOOKS.c.id == number).values(row))
        else:
            values = {name: value for name, value in row.items() if name != "id" or number not in taken}
            await session.execute(insert(HOOKS).values(values))


async def _rows(session: AsyncSession, table: Table, plugin_id: int) -> list[Row]:
    query = select(table).where(table.c.plugin_id == plugin_id).order_by(*table.primary_key.columns)
    return [dict(row) for row in (await session.execute(query)).mappings()]


def _row_renewed(row: Row, renew: Callable[[str, bytes], bytes]) -> Row:
    sealed = row["ciphertext"]
    return row if sealed is None else row | {"ciphertext": renew(row["key"], sealed)}


def _version_renewed(row: Row, renew: Callable[[str, bytes], bytes]) -> Row:
    entries = dict(row["entries"])
    for key, entry in entries.items():
        if (sealed := ciphertext_in(entry)) is not None:
            entries[key] = {CIPHERTEXT: base64.b64encode(renew(key, sealed)).decode()}
    return row | {"entries": entries}


def _storable(table: Table, row: Row) -> Row:
    """A secret's row holds SQL's NULL in place of a value, not JSON's."""
    is_secret = table.name == PluginConfiguration.__tablename__ and row["is_encrypted"]
    return row | {"value": null()} if is_secret else row


def _kept(table: Table, row: Row) -> Row:
    """A row as JSON: moments and bytes as text, by the column's type."""
    return {name: _text(value) if _is_text(table, name) else value for name, value in row.items()}


def _back(table: Table, row: Row) -> Row:
    return {
        name: _value(table, name, value) if _is_text(table, name) else value for name, value in row.items()
    }


def _is_text(table: Table, name: str) -> bool:
    return isinstance(table.c[name].type, UtcDateTime | LargeBinary)


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else base64.b64encode(value).decode()


def _value(table: Table, name: str, text: str | None) -> Any:
    if text is None:
        return None
    moment = isinstance(table.c[name].type, UtcDateTime)
    return datetime.fromisoformat(text) if moment else base64.b64decode(text)
