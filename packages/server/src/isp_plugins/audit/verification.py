"""Verifies a chain: finds what was edited, removed, added, reordered or cut off, as pure decisions over what was read.

1. Sequences count 1, 2, 3 ...: a gap is a removed entry, a step back is one that was added.
2. An entry whose mac does not follow from the entry before it was edited or moved. One whose own mac column alone was edited does
   not taint the next: that one may also follow from the mac that should have been there.
3. The head names count and last mac: fewer entries are a cut-off tail, more are entries that nobody recorded.
4. The file outside the database may lag behind (a crash between commit and file), but never lead: then the tail was cut, or an
   older copy of the database was put back. The entry that it names must be the one that it names.
5. A key that is not in the ring leaves an entry unproved, which is a finding too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from isp_plugins.audit.chain import FIRST_MAC, Entry, Head, same
from isp_plugins.audit.tags import AuditTag


class FindingKind(StrEnum):
    """What is wrong with a chain at one place."""

    EDITED = "edited"
    """An entry is not what was recorded, or not where it was recorded."""
    REMOVED = "removed"
    """Entries between others are gone."""
    ADDED = "added"
    """An entry is there that was not recorded."""
    CUT_OFF = "cut_off"
    """The newest entries are gone."""
    HEAD_EDITED = "head_edited"
    """The head row is not what was recorded."""
    HEAD_MISSING = "head_missing"
    """The head row is gone."""
    FILE_EDITED = "file_edited"
    """The head file outside the database is not what was recorded."""
    KEY_MISSING = "key_missing"
    """The key that made a mac is not in the key ring."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and what was expected there."""

    kind: FindingKind
    node: str
    sequence: int | None
    expected: str

    def __str__(self) -> str:
        place = f"entry {self.sequence}" if self.sequence is not None else "chain"
        return f"{self.kind}: {place} of node {self.node}: expected {self.expected}"


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What a verification looked at, and everything that it found."""

    entries: int
    nodes: tuple[str, ...]
    findings: tuple[Finding, ...]
    verified_at: datetime

    @property
    def ok(self) -> bool:
        """Whether the trail is whole."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A head as it was read, with the seal that came with it."""

    head: Head
    seal: bytes


KeyOf = Callable[[str], bytes | None]
"""The audit key of a key id; None if it is not in the ring."""


@dataclass(slots=True)
class ChainVerifier:
    """Verifies one node's chain: `feed` every entry in order of sequence, then `finish`."""

    node: str
    key_of: KeyOf
    file: SealedHead | None = None
    findings: list[Finding] = field(default_factory=list)
    _last: int = 0
    # The macs that the entry before may rightly have; None: it is gone, so nobody knows.
    _before: list[bytes] | None = field(default_factory=lambda: [FIRST_MAC])
    _mac_named_by_file: bytes | None = None

    def feed(self, entry: Entry, mac: bytes) -> None:
        """Look at the next entry."""
        if entry.sequence <= self._last:
            self._find(
                FindingKind.ADDED, entry.sequence, f"one entry with this number, and {self._last + 1} next"
            )
            return
        if entry.sequence > self._last + 1:
            self._find(
                FindingKind.REMOVED,
                self._last + 1,
                f"{_entries(self._last + 1, entry.sequence - 1)} to be there",
            )
            self._before = None
        self._last = entry.sequence
        if self.file is not None and entry.sequence == self.file.head.count:
            self._mac_named_by_file = mac
        self._follow(entry, mac)

    def feed_unreadable(self, sequence: int | None) -> None:
        """Look at an entry with a value of the wrong kind in it."""
        self._find(FindingKind.EDITED, sequence, "values of the kinds that were recorded")
        if sequence is not None and sequence > self._last:
            self._last, self._before = sequence, None

    def finish(self, head: SealedHead | None) -> list[Finding]:
        """Compare the end with the head row and with the file; gives everything found."""
        if head is None:
            if self._last or self.file is not None:
                self._find(
                    FindingKind.HEAD_MISSING, None, f"a head row that says {self._last} entries or more"
                )
        else:
            self._compare_head(head)
        if self.file is not None:
            self._compare_file(self.file)
        return self.findings

    def _follow(self, entry: Entry, mac: bytes) -> None:
        key = self.key_of(entry.key_id)
        if key is None:
            self._find(FindingKind.KEY_MISSING, entry.sequence, f"key {entry.key_id} in the key ring")
            self._before = [mac]
            return
        possible = None if self._before is None else [entry.mac(key, before) for before in self._before]
        if possible is None or any(same(mac, each) for each in possible):
            self._before = [mac]
            self._recall(entry)
            return
        self._find(
            FindingKind.EDITED, entry.sequence, "the mac of this entry's values after the entry before it"
        )
        self._before = [mac, *possible]

    def _recall(self, entry: Entry) -> None:
        """What an earlier start found, and wrote into the chain, stays a finding."""
        if entry.tag == AuditTag.AUDIT_BROKEN:
            self._find(FindingKind.CUT_OFF, entry.sequence, str(entry.details.get("expected")))

    def _compare_head(self, sealed: SealedHead) -> None:
        head = sealed.head
        key = self.key_of(head.key_id)
        if key is None:
            self._find(FindingKind.KEY_MISSING, None, f"key {head.key_id} of the head row in the key ring")
        elif not same(head.seal(key), sealed.seal):
            self._find(FindingKind.HEAD_EDITED, None, "a head row with a seal that fits it")
        if head.count > self._last:
            self._find(
                FindingKind.CUT_OFF, self._last + 1, f"{_entries(self._last + 1, head.count)} to be there"
            )
        elif head.count < self._last:
            self._find(FindingKind.ADDED, head.count + 1, f"{head.count} entries, as the head row says")
        elif self._before is not None and not any(same(head.mac, each) for each in self._before):
            self._find(FindingKind.HEAD_EDITED, self._last or None, "the last entry's mac in the head row")

    def _compare_file(self, sealed: SealedHead) -> None:
        head = sealed.head
        key = self.key_of(head.key_id)
        if key is None:
            self._find(FindingKind.KEY_MISSING, None, f"key {head.key_id} of the head file in the key ring")
        elif not same(head.seal(key), sealed.seal):
            self._find(FindingKind.FILE_EDITED, None, "a head file with a seal that fits it")
        elif head.count > self._last:
            self._find(
                FindingKind.CUT_OFF,
                self._last + 1,
                f"{_entries(self._last + 1, head.count)}, as the head file says",
            )
        elif self._mac_named_by_file is not None and not same(head.mac, self._mac_named_by_file):
            self._find(FindingKind.EDITED, head.count, "the mac that the head file names")

    def _find(self, kind: FindingKind, sequence: int | None, expected: str) -> None:
        self.findings.append(Finding(kind, self.node, sequence, expected))


def _entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def is_continued(file: SealedHead, row: SealedHead | None, mac_at_count: bytes | None) -> bool:
    """Whether the database still holds the chain that the head file names (rule 4), judged at start before the file is replaced."""
    if row is None or row.head.count < file.head.count:
        return False
    return mac_at_count is not None and same(mac_at_count, file.head.mac)


def sealed(head: Head, key: bytes) -> SealedHead:
    """A head with its seal."""
    return SealedHead(head, head.seal(key))


def as_json(sealed_head: SealedHead) -> dict[str, Any]:
    """A sealed head as the head file holds it."""
    head = sealed_head.head
    return {
        "node": head.node,
        "count": head.count,
        "mac": head.mac.hex(),
        "key_id": head.key_id,
        "seal": sealed_head.seal.hex(),
    }


def from_json(said: dict[str, Any]) -> SealedHead:
    """A sealed head from the head file; `KeyError`, `TypeError` or `ValueError` if it is none."""
    head = Head(
        node=str(said["node"]),
        count=int(said["count"]),
        mac=bytes.fromhex(said["mac"]),
        key_id=str(said["key_id"]),
    )
    return SealedHead(head, bytes.fromhex(said["seal"]))
