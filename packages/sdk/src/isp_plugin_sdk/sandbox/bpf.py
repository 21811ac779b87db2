"""A small assembler for seccomp's filters: classic BPF over `struct seccomp_data`. Pure.

1. A filter is a list of instructions of 8 bytes; a jump counts the instructions that it leaps over, at most 255.
2. Only the low half of an argument is compared: every argument that is looked at here is an `int` in the kernel, which ignores the rest.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE = 0, 4
"""Offsets in `struct seccomp_data`."""
ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class Step(NamedTuple):
    """One instruction."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0


def packed(steps: Iterable[Step]) -> bytes:
    """As the kernel reads them (`struct sock_filter`)."""
    pack = struct.Struct("=HBBI").pack
    return b"".join(pack(code, if_true, if_false, value) for code, value, if_true, if_false in steps)


def refuse(code: int) -> int:
    """The verdict "fail with this errno"."""
    return _ERRNO | code


def argument(index: int) -> int:
    """Offset of the low half of an argument; both architectures are little-endian."""
    return 16 + 8 * index


def load(offset: int) -> Step:
    """Load a word of the data."""
    return Step(_LOAD, offset)


def masked(mask: int) -> Step:
    """Keep only some bits of what was loaded."""
    return Step(_AND, mask)


def verdict(value: int) -> Step:
    """End with a verdict."""
    return Step(_RETURN, value)


def unless_equal(value: int, body: Sequence[Step]) -> list[Step]:
    """Run the body where what was loaded differs."""
    return [Step(_JUMP_EQUAL, value, len(body), 0), *body]


def if_equal(value: int, body: Sequence[Step]) -> list[Step]:
    """Run the body where what was loaded is this."""
    return [Step(_JUMP_EQUAL, value, 0, len(body)), *body]


def if_at_least(value: int, body: Sequence[Step]) -> list[Step]:
    """Run the body where what was loaded is this or more."""
    return [Step(_JUMP_AT_LEAST, value, 0, len(body)), *body]


def if_any_bit(mask: int, body: Sequence[Step]) -> list[Step]:
    """Run the body where any of these bits is set."""
    return [Step(_JUMP_ANY_BIT, mask, 0, len(body)), *body]


def unless_any_bit(mask: int, body: Sequence[Step]) -> list[Step]:
    """Run the body where none of these bits is set."""
    return [Step(_JUMP_ANY_BIT, mask, len(body), 0), *body]


def unless_among(values: Iterable[int], body: Sequence[Step]) -> list[Step]:
    """Run the body where what was loaded is none of these."""
    values = list(values)
    left = range(len(values) - 1, -1, -1)
    return [
        *(Step(_JUMP_EQUAL, value, rest + len(body), 0) for value, rest in zip(values, left, strict=True)),
        *body,
    ]


def refuse_all(numbers: Iterable[int], value: int) -> list[Step]:
    """End with a verdict for each of these numbers: runs of neighbours are one comparison, the rest one each."""
    steps: list[Step] = []
    for first, last in _runs(sorted(set(numbers))):
        if first == last:
            steps += if_equal(first, [verdict(value)])
        else:
            steps += [Step(_JUMP_AT_LEAST, first, 0, 2), Step(_JUMP_AT_LEAST, last + 1, 1, 0), verdict(value)]
    return steps


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def run(steps: Sequence[Step], data: Callable[[int], int]) -> int:
    """The verdict for one call, worked out as the kernel does; `data` answers the word at an offset. For tests and for explaining."""
    at, word = 0, 0
    while True:
        step = steps[at]
        at += 1
        if step.code == _RETURN:
            return step.value
        if step.code == _LOAD:
            word = data(step.value) & 0xFFFFFFFF
        elif step.code == _AND:
            word &= step.value
        else:
            holds = {
                _JUMP_EQUAL: word == step.value,
                _JUMP_AT_LEAST: word >= step.value,
                _JUMP_ANY_BIT: bool(word & step.value),
            }[step.code]
            at += step.if_true if holds else step.if_false
