"""Appends entries to a node's chain in the database, under the lock of the chain's head."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import SYSTEM, Actor
from isp_plugins.audit.chain import FIRST_MAC, MAX_NAME, MAX_WORD, Entry, Head, clean_text, same
from isp_plugins.audit.tags import AuditOutcome, AuditTag
from isp_plugins.audit.verification import SealedHead, sealed
from isp_plugins.db.tables import AuditEntry, AuditHead, Base
from isp_plugins.keyring import KeyRing

PURPOSE = "audit"
"""What the chain's keys are derived for."""
# Built once: building a statement of this size costs more than running it.
_ENTRIES, _HEAD_TABLE = (Base.metadata.tables[each.__tablename__] for each in (AuditEntry, AuditHead))
_HEADS = _HEAD_TABLE.c
INSERT = insert(_ENTRIES)
MOVE = update(_HEAD_TABLE).where(_HEADS.node == bindparam("at_node"))
HEAD = (
    select(_HEADS.count, _HEADS.mac, _HEADS.key_id, _HEADS.seal)
    .where(_HEADS.node == bindparam("at_node"))
    .with_for_update()
)
NEXT_ON_SQLITE = select(func.coalesce(func.max(AuditEntry.id), 0) + 1)
NEXT_ON_POSTGRESQL = select(func.nextval(func.pg_get_serial_sequence("audit_entries", "id")))


@dataclass(frozen=True, slots=True)
class Fact:
    """What an entry tells, before it has its place in the chain."""

    at: datetime
    tag: AuditTag
    outcome: AuditOutcome
    actor: Actor
    subject: tuple[str, str]
    details: Mapping[str, Any]
    request_id: str | None = None

    def entry(self, *, id: int, node: str, sequence: int, key_id: str) -> Entry:  # noqa: A002  the column's name
        """This fact at its place, its texts cut to their columns."""
        return Entry(
            id=id,
            node=node,
            sequence=sequence,
            at=self.at,
            tag=self.tag.value,
            outcome=self.outcome.value,
            actor_type=self.actor.type.value,
            actor_id=clean_text(self.actor.id, MAX_NAME),
            actor_name=clean_text(self.actor.name, MAX_NAME),
            source=_optional(self.actor.source),
            request_id=_optional(self.request_id),
            subject_type=clean_text(self.subject[0], MAX_WORD),
            subject_id=clean_text(self.subject[1], MAX_NAME),
            details=self.details,
            key_id=key_id,
        )


class AuditKeys:
    """The audit keys of a key ring, each derived once."""

    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring
        self._derived: dict[str, bytes] = {}

    def get(self, key_id: str) -> bytes | None:
        """The audit key of a key id; None if the ring does not hold it."""
        if key_id not in self._derived:
            try:
                self._derived[key_id] = self._keyring.mac_key(PURPOSE, key_id)[1]
            except KeyError:
                return None
        return self._derived[key_id]

    def newest(self) -> tuple[str, bytes]:
        """The id and audit key of the ring's newest key."""
        key_id = self._keyring.newest_id
        key = self.get(key_id)
        assert key is not None, "the ring holds its newest key"  # noqa: S101  narrows the type
        return key_id, key


class ChainWriter:
    """Writes one node's chain."""

    def __init__(self, keys: AuditKeys, node: str) -> None:
        self._keys = keys
        self._node = node

    async def append(self, session: AsyncSession, fact: Fact) -> SealedHead:
        """Write the fact as the newest entry, in the session's transaction; gives the head that then holds."""
        before = await self._locked_head(session)
        if not self._is_sealed(before):
            # Writing on would give an edited head a fresh, valid seal: what was found is made part of the chain first.
            expected = {
                "expected": f"a head row with a seal that fits it, not one that says {before.head.count} entries"
            }
            before = await self._write(session, broken(fact.at, self._node, expected), before.head)
        return await self._write(session, fact, before.head)

    async def _write(self, session: AsyncSession, fact: Fact, before: Head) -> SealedHead:
        key_id, key = self._keys.newest()
        entry = fact.entry(
            id=await _next_id(session), node=self._node, sequence=before.count + 1, key_id=key_id
        )
        mac = entry.mac(key, before.mac)
        after = sealed(Head(entry.node, entry.sequence, mac, key_id), key)
        values = {name: getattr(entry, name) for name in Entry.__slots__}
        await session.execute(INSERT, {**values, "mac": mac})
        await session.execute(MOVE, {"at_node": self._node, **_columns(after)})
        return after

    async def _locked_head(self, session: AsyncSession) -> SealedHead:
        """The chain's head, locked until the commit; the first entry makes it."""
        row = (await session.execute(HEAD, {"at_node": self._node})).one_or_none()
        if row is None:
            dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
            key_id, key = self._keys.newest()
            first = sealed(Head(self._node, 0, FIRST_MAC, key_id), key)
            await session.execute(
                dialect.insert(AuditHead).values(node=self._node, **_columns(first)).on_conflict_do_nothing()
            )
            row = (await session.execute(HEAD, {"at_node": self._node})).one()
        count, mac, key_id, seal = row
        return SealedHead(Head(self._node, count, mac, key_id), seal)

    def _is_sealed(self, head: SealedHead) -> bool:
        key = self._keys.get(head.head.key_id)
        return key is not None and same(head.head.seal(key), head.seal)


def broken(at: datetime, node: str, details: Mapping[str, Any]) -> Fact:
    """The fact that a chain was found broken; `details` says what was `expected`."""
    return Fact(at, AuditTag.AUDIT_BROKEN, AuditOutcome.FAILED, SYSTEM, ("node", node), details)


def _columns(head: SealedHead) -> dict[str, Any]:
    return {"count": head.head.count, "mac": head.head.mac, "seal": head.seal, "key_id": head.head.key_id}


async def _next_id(session: AsyncSession) -> int:
    """The id of the next entry, taken beforehand because the mac covers it."""
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    return int(await session.scalar(NEXT_ON_POSTGRESQL if on_postgresql else NEXT_ON_SQLITE) or 1)


def _optional(text: str | None) -> str | None:
    return None if text is None else clean_text(text, MAX_NAME)
