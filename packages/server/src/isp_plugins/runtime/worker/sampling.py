"""Reads what worker processes use, from `/proc`: one pass over it for all of them, so that a worker's children count too.

1. A worker is its process group and its session: whatever the plugin started in it counts, a child whose parent is gone included.
2. A worker is told apart from a stranger with the same number by the moment it began (clock ticks since boot): a number that was used
   again gives no reading.
3. Processor time is that of living members and of the children that they have waited for. Resident memory counts a page that two
   members share twice.
4. What the system does not tell (no `/proc`, descriptors of another user) is None, never zero.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from isp_plugins.contracts.worker import ResourceUse

PROC = Path("/proc")
STAT_BYTES = 4096
"""More than a process's line has."""
_ZOMBIES = frozenset({b"Z", b"X"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one worker used at one moment."""

    at: float
    """Seconds of the system's monotonic clock, which processor time is measured against."""
    began: int
    """When its first process began, in clock ticks since boot; never the same for two processes with one number."""
    use: ResourceUse


@dataclass(frozen=True, slots=True)
class _Member:
    """One process of a group."""

    pid: int
    is_gone: bool
    """It has ended, and waits to be reaped."""
    ticks: int
    """Processor time, in clock ticks, with that of children it waited for."""
    threads: int
    began: int
    pages: int


def read_workers(leaders: Mapping[int, int | None], proc: Path = PROC) -> dict[int, Reading]:
    """What each worker uses now, by the number of its first process; the value is when that one began, None: not known yet."""
    groups: dict[int, list[_Member]] = {}
    for leader, member in _members(leaders, proc):
        groups.setdefault(leader, []).append(member)
    at = time.monotonic()
    found = {leader: _reading(leader, members, at, proc) for leader, members in groups.items()}
    return {
        leader: reading
        for leader, reading in found.items()
        if reading is not None and leaders[leader] in {None, reading.began}
    }


def read_machine(proc: Path = PROC) -> tuple[int, int] | None:
    """Clock ticks that all processors of the machine had so far, and those of them in which they had nothing to do; None where that is not told."""
    try:
        fields = (proc / "stat").read_bytes().split(b"\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return sum(ticks), ticks[3] + ticks[4]


def _members(leaders: Mapping[int, int | None], proc: Path) -> Iterator[tuple[int, _Member]]:
    """Every process of these workers, each with its worker."""
    try:
        names = os.listdir(proc)  # noqa: PTH208  as fast as can be, and names are what is needed
    except OSError:
        return
    for name in names:
        if not name.isdecimal() or not (text := _text(f"{proc}/{name}/stat")):
            continue
        _, _, rest = text.rpartition(b") ")  # a name may hold blanks and brackets
        _, _, group, session, _ = rest.split(b" ", 4)
        for leader in (int(group), int(session)):
            if leader in leaders:
                yield leader, _member(int(name), rest.split())
                break


def _text(file: str) -> bytes:
    """What a small file of the kernel's says; nothing where its process has ended."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, STAT_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _member(pid: int, fields: list[bytes]) -> _Member:
    """One process; the fields are those behind its name."""
    return _Member(
        pid=pid,
        is_gone=fields[0] in _ZOMBIES,
        ticks=sum(int(field) for field in fields[11:15]),
        threads=int(fields[17]),
        began=int(fields[19]),
        pages=int(fields[21]),
    )


def _reading(leader: int, members: list[_Member], at: float, proc: Path) -> Reading | None:
    """Members summed up; None where the first process is not among them, so that nobody can say whose they are."""
    first = next((member for member in members if member.pid == leader), None)
    if first is None:
        return None
    living = [member for member in members if not member.is_gone]
    files = [_open_files(proc, member.pid) for member in living]
    use = ResourceUse(
        cpu_s=sum(member.ticks for member in members) / os.sysconf("SC_CLK_TCK"),
        memory_bytes=sum(member.pages for member in living) * os.sysconf("SC_PAGE_SIZE"),
        open_files=None if None in files else sum(count or 0 for count in files),
        threads=sum(member.threads for member in living),
    )
    return Reading(at, first.began, use)


def _open_files(proc: Path, pid: int) -> int | None:
    """How many descriptors a process has open; none where it ended meanwhile, None where that is not told."""
    try:
        return len(os.listdir(f"{proc}/{pid}/fd"))  # noqa: PTH208  the same
    except PermissionError:
        return None
    except OSError:
        return 0
