"""The audit log: writes entries into the caller's transaction, sums up refusals, verifies and pages the trail.

1. An entry is written in the transaction of what it tells of: both are there, or neither.
2. A node's entries form one chain (`chain`); its head is a row of its own, locked until the commit, so that writers queue up.
   Record last in a transaction: then nobody waits for the head while holding what another writer needs.
3. The head also goes to a file outside the database, after the commit (`head_file`).
4. Refused authentications, and what plugins tried and are not granted, are counted in memory and written a minute later; a crash loses at
   most what was not yet written.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from isp_plugins.actors import Actor, ActorType, current_request
from isp_plugins.audit import rows
from isp_plugins.audit.chain import clean_details
from isp_plugins.audit.head_file import HeadFile, HeadFileUnreadableError
from isp_plugins.audit.pages import AuditEntryView, AuditFilters, statement_for, view_of
from isp_plugins.audit.refusals import DenialCounter, RefusalCounter
from isp_plugins.audit.tags import AuditOutcome, AuditTag
from isp_plugins.audit.verification import (
    ChainVerifier,
    Finding,
    FindingKind,
    SealedHead,
    VerificationReport,
    is_continued,
    sealed,
)
from isp_plugins.audit.writer import AuditKeys, ChainWriter, Fact, broken
from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.paging import Page, fetch_page
from isp_plugins.db.tables import AuditEntry
from isp_plugins.keyring import KeyRing
from isp_plugins.periodic import Periodic

logger = logging.getLogger(__name__)
HOUSEKEEPING_S = 5.0
"""Pause between looks for minutes of refusals that ended."""


class _Options(TypedDict, total=False):
    subject: Required[tuple[str, str]]
    details: Mapping[str, Any]
    outcome: AuditOutcome
    request_id: str | None


class AuditLog:
    """The audit trail of one node; `open` it before and `close` it after use."""

    def __init__(
        self, database: Database, keyring: KeyRing, *, node: str, clock: Clock, head_file: Path | None = None
    ) -> None:
        self._database = database
        self._keys = AuditKeys(keyring)
        self._writer = ChainWriter(self._keys, node)
        self._node = node
        self._clock = clock
        self._head_file = HeadFile(head_file) if head_file is not None else None
        self._is_compared = False
        self._refusals = RefusalCounter()
        self._denials = DenialCounter()
        self._housekeeping = Periodic(self.flush, HOUSEKEEPING_S, name="the audit trail's housekeeping")

    async def open(self) -> None:
        """Compare the head file with the database, record it if the chain was cut while nobody ran, and start the housekeeping."""
        if self._head_file is not None:
            await self._compare_head_file(self._head_file)
        self._housekeeping.start()

    async def close(self) -> None:
        """Write what is counted, and wait for the head file; the log can still record afterwards."""
        await self._housekeeping.stop()
        await self.flush(everything=True)

    async def record(
        self,
        session: AsyncSession,
        tag: AuditTag,
        actor: Actor,
        *,
        subject: tuple[str, str],
        details: Mapping[str, Any] | None = None,
        outcome: AuditOutcome = AuditOutcome.DONE,
        request_id: str | None = None,
    ) -> None:
        """Write an entry in the caller's transaction, as the last thing in it; `AuditDetailError` for what is not JSON.

        `subject` is `(type, id)`, e.g. `("plugin", "3")`. Details must name things, never carry a configuration value, secret or token.
        """
        request_id = request_id or current_request.get()
        fact = Fact(self._clock.now(), tag, outcome, actor, subject, clean_details(details or {}), request_id)
        head = await self._writer.append(session, fact)
        if self._head_file is not None and self._is_compared:
            _write_after_commit(session, head, self._head_file)

    async def record_alone(self, tag: AuditTag, actor: Actor, **options: Unpack[_Options]) -> None:
        """Write an entry in a transaction of its own; takes what `record` takes."""
        async with self._database.transaction() as session:
            await self.record(session, tag, actor, **options)

    def count_refused_authentication(self, source: str | None) -> None:
        """Count a caller that did not prove who it is; written once its minute has ended."""
        self._refusals.add(source, self._clock.now())

    def count_denied(self, plugin: tuple[int, str], kind: str, what: str, grant: str) -> None:
        """Count what a plugin, `(id, name)`, tried and is not granted; written once its minute has ended."""
        self._denials.count((str(plugin[0]), plugin[1], kind, what, grant), self._clock.now())

    async def flush(self, *, everything: bool = False) -> None:
        """Write the refusals of minutes that ended (of every minute if asked), and wait for the head file."""
        before = None if everything else self._clock.now()
        await self._write_refusals(before)
        await self._write_denials(before)
        if self._head_file is not None:
            await self._head_file.flush()

    async def _write_refusals(self, before: datetime | None) -> None:
        for source, minute, count in self._refusals.take(before):
            try:
                await self.record_alone(
                    AuditTag.AUTHENTICATION_REFUSED,
                    Actor(ActorType.SYSTEM, "unknown", "unknown caller", source),
                    subject=("source", source),
                    details={"count": count, "minute": minute.isoformat()},
                    outcome=AuditOutcome.REFUSED,
                )
            except DatabaseUnavailableError as error:
                self._refusals.add(source, minute, count)
                logger.warning("refused authentications wait to be recorded: %s", error)
                break

    async def _write_denials(self, before: datetime | None) -> None:
        for key, minute, count in self._denials.take(before):
            plugin_id, name, kind, what, grant = key
            details = {"kind": kind, "what": what, "grant": grant, "count": count}
            try:
                await self.record_alone(
                    AuditTag.GRANT_DENIED,
                    Actor(ActorType.PLUGIN, plugin_id, name),
                    subject=("plugin", plugin_id),
                    details={**details, "minute": minute.isoformat()},
                    outcome=AuditOutcome.REFUSED,
                )
            except DatabaseUnavailableError as error:
                self._denials.count(key, minute, count)
                logger.warning("denials wait to be recorded: %s", error)
                break

    async def page(
        self, *, filters: AuditFilters | None = None, page: int = 1, size: int = 20
    ) -> Page[AuditEntryView]:
        """Entries of every node, newest first."""
        async with self._database.reading() as session:
            found = await fetch_page(session, statement_for(filters or AuditFilters()), page=page, size=size)
        return found.map(view_of)

    async def verify(self) -> VerificationReport:
        """Look at every entry of every node in one snapshot, and give everything that is wrong with the trail."""
        findings: list[Finding] = []
        file = self._read_head_file(findings)
        verifiers: dict[str, ChainVerifier] = {}
        count = 0
        async with self._database.reading() as session:
            async for node, sequence, entry, mac in rows.entries(session):
                verifier = verifiers.get(node) or verifiers.setdefault(node, self._verifier(node, file))
                count += 1
                if entry is None:
                    verifier.feed_unreadable(sequence)
                else:
                    verifier.feed(entry, mac)
            heads = await rows.heads(session)
        for node in sorted({*verifiers, *heads, *([file.head.node] if file else [])}):
            verifier = verifiers.setdefault(node, self._verifier(node, file))
            if node in heads and heads[node] is None:
                findings.append(
                    Finding(
                        FindingKind.HEAD_EDITED,
                        node,
                        None,
                        "a head row with values of the kinds that were recorded",
                    )
                )
            findings += verifier.finish(heads.get(node))
        return VerificationReport(count, tuple(sorted(verifiers)), tuple(findings), self._clock.now())

    def _verifier(self, node: str, file: SealedHead | None) -> ChainVerifier:
        return ChainVerifier(
            node, self._keys.get, file if file is not None and file.head.node == node else None
        )

    def _read_head_file(self, findings: list[Finding]) -> SealedHead | None:
        try:
            return self._head_file.read() if self._head_file is not None else None
        except HeadFileUnreadableError as error:
            findings.append(Finding(FindingKind.FILE_EDITED, self._node, None, f"a head in the file {error}"))
            return None

    async def _compare_head_file(self, file: HeadFile) -> None:
        """Rule 4 of `verification`, once at start: what the file proves is recorded before the file is written anew."""
        try:
            said = file.read()
        except HeadFileUnreadableError:
            said, is_whole = None, False
        else:
            is_whole = said is None or said.head.node != self._node or await self._is_continued(said)
        self._is_compared = True
        if is_whole:
            return
        logger.error(
            "the audit trail does not hold what its head file %s names; run `isp-plugins audit verify`",
            file.path,
        )
        named = (
            f"the chain of {said.head.count} entries that the head file names"
            if said
            else "a readable head file"
        )
        async with self._database.transaction() as session:
            head = await self._writer.append(
                session, broken(self._clock.now(), self._node, {"expected": named})
            )
            _write_after_commit(session, head, file)

    async def _is_continued(self, said: SealedHead) -> bool:
        key = self._keys.get(said.head.key_id)
        if key is None or sealed(said.head, key).seal != said.seal:
            return False
        named = select(AuditEntry.mac).where(
            AuditEntry.node == self._node, AuditEntry.sequence == said.head.count
        )
        async with self._database.reading() as session:
            row = (await rows.heads(session)).get(self._node)
            return is_continued(said, row, await session.scalar(named))


def _write_after_commit(session: AsyncSession, head: SealedHead, file: HeadFile) -> None:
    def committed(_session: Session) -> None:
        file.write_soon(head)

    event.listen(session.sync_session, "after_commit", committed, once=True)
