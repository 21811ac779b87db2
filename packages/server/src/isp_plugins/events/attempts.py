"""Which attempts are under way, in a file that outlives a killed process: an attempt that was cut off counts too.

1. The file is mapped into memory: noting an attempt costs no system call and no round trip. What a killed process noted stays with
   the kernel; a loss of power may lose it.
2. An attempt is noted before its call, until what became of it is written to the database.
3. What an earlier process left is told to whoever tries that event next, and stays noted until then.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from isp_plugins.contracts.vocabulary import OutcomeStatus
from isp_plugins.events.errors import AttemptCutOffError
from isp_plugins.events.retries import Tried

SLOTS = 1024
"""How many the file holds at first; it doubles."""
_FIELDS = struct.Struct("<qqQii")
"""subscription, event, a part of the event's random id, attempts and failures with this one."""
_CHECK = struct.Struct("<I")
SLOT = _FIELDS.size + _CHECK.size
_EMPTY = bytes(SLOT)
Key = tuple[int, int]
"""Subscription and event."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """The answer of an attempt whose process ended in its midst."""

    status: OutcomeStatus = OutcomeStatus.ERROR
    error: BaseException | None = None
    duration_ms: float | None = None


def cut_off() -> CutOff:
    """A new one."""
    return CutOff(error=AttemptCutOffError())


class Attempts:
    """The attempts of one process; used by the loop that delivers alone. Without a file they are forgotten with the process."""

    def __init__(self, file: Path | None = None) -> None:
        self._memory, size = _mapped(file)
        self._places: dict[Key, int] = {}
        self._noted: dict[Key, Tried] = {}
        self._free: list[int] = []
        self._left: dict[Key, tuple[int, Tried]] = {}
        """What an earlier process left: the part of the random id, and how often it was tried."""
        for place in range(size - SLOT, -1, -SLOT):
            self._read(place)

    def begin(self, subscription_id: int, row: object, tried: Tried) -> None:
        """An attempt begins; `tried` is what was before it."""
        event_id: int = row.id  # type: ignore[attr-defined]  # a row of the log
        key = (subscription_id, event_id)
        if key not in self._places:
            self._places[key] = self._free.pop() if self._free else self._grown()
        self._left.pop(key, None)
        self._note(key, row, tried.after(None))

    def succeeded(self, subscription_id: int, row: object, tried: Tried) -> None:
        """It is not written yet, but if the process ends now, the event is not to blame."""
        key = (subscription_id, row.id)  # type: ignore[attr-defined]  # a row of the log
        if key in self._places:
            self._note(key, row, Tried(tried.attempts + 1, tried.failures))

    def _note(self, key: Key, row: object, now: Tried) -> None:
        place = self._places[key]
        self._noted[key] = now
        fields = _FIELDS.pack(*key, _part_of(row), now.attempts, now.failures)
        self._memory[place : place + SLOT] = fields + _CHECK.pack(zlib.crc32(fields))

    def end(self, subscription_id: int, event_id: int, attempts: int | None = None) -> None:
        """What became of it is written; `attempts`: only if it is still that one that is noted."""
        key = (subscription_id, event_id)
        noted = self._noted.get(key)
        if noted is not None and attempts is not None and noted.attempts != attempts:
            return
        place = self._places.pop(key, None)
        self._noted.pop(key, None)
        self._left.pop(key, None)
        if place is not None:
            self._memory[place : place + SLOT] = _EMPTY
            self._free.append(place)

    def left(self, subscription_id: int, row: object) -> Tried | None:
        """How often an earlier process had tried the event when it ended, with the attempt that was cut off."""
        found = self._left.get((subscription_id, row.id))  # type: ignore[attr-defined]  # a row of the log
        return found[1] if found is not None and found[0] == _part_of(row) else None

    def settled(self, subscription_id: int, position: int, parked: Container[int]) -> None:
        """Forget what was left of events that are settled by now."""
        for of, event_id in list(self._left):
            if of == subscription_id and event_id <= position and event_id not in parked:
                self.end(of, event_id)

    def _read(self, place: int) -> None:
        fields = self._memory[place : place + _FIELDS.size]
        (check,) = _CHECK.unpack(self._memory[place + _FIELDS.size : place + SLOT])
        subscription_id, event_id, part, attempts, failures = _FIELDS.unpack(fields)
        if not attempts or check != zlib.crc32(
            fields
        ):  # empty, or torn: killed while it was noted, so before its call
            self._free.append(place)
            return
        key = (subscription_id, event_id)
        self._places[key] = place
        self._left[key] = (part, Tried(attempts, failures))

    def _grown(self) -> int:
        before = len(self._memory)
        self._memory.resize(before * 2)
        self._free.extend(range(before * 2 - SLOT, before, -SLOT))
        return before


def _mapped(file: Path | None) -> tuple[mmap.mmap, int]:
    if file is None:
        return mmap.mmap(-1, SLOTS * SLOT), SLOTS * SLOT
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = max(os.fstat(handle).st_size // SLOT, SLOTS) * SLOT
        os.posix_fallocate(handle, 0, size)  # a full disk says so here, not as a signal at the first note
        return mmap.mmap(handle, size), size
    finally:
        os.close(handle)


def _part_of(row: object) -> int:
    """A part of the event's random id: a database that was put back may give an id to another event."""
    return zlib.crc32(row.uid.encode())  # type: ignore[attr-defined]  # a row of the log
