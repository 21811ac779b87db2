"""Measures contestants side by side in one run and compares their medians with bars.

1. Every round runs every contestant once, in turn, so that a busy moment of the machine hits all of them.
2. A ratio is the median over the rounds of contestant to reference within one round.
"""

import gc
import statistics
import time
from dataclasses import dataclass, field


@dataclass
class Row:
    """One line of the table: a measured ratio and, where it has one, its bar."""

    what: str
    ratio: float
    unit: str
    nanoseconds: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def passed(self):
        above = self.at_most is None or self.ratio <= self.at_most
        return above and (self.at_least is None or self.ratio >= self.at_least)


@dataclass
class Table:
    """Rows, printed as they come; `failed` tells whether a bar was missed."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, row):
        self.rows.append(row)
        bar = f"<= {row.at_most:g}" if row.at_most is not None else ""
        bar = f">= {row.at_least:g}" if row.at_least is not None else bar
        verdict = ("PASS" if row.passed else "FAIL") if bar else ""
        absolute = f"{row.nanoseconds:12,.0f} ns" if row.nanoseconds is not None else " " * 15
        print(f"  {row.what:<58} {absolute} {row.ratio:9.3f} {row.unit:<22} {bar:<8} {verdict}", flush=True)

    def compare(self, what, found, name, reference, *, unit="x", absolute=True, **bar):
        """A row with the ratio of two contestants of one measurement."""
        nanoseconds = found.nanoseconds(name) if absolute else None
        self.add(Row(what, found.ratio(name, reference), unit, nanoseconds, **bar))

    def start(self):
        print(f"\n{self.title}", flush=True)

    @property
    def failed(self):
        return any(not row.passed for row in self.rows)


@dataclass
class Measured:
    """Seconds per piece of work, round by round."""

    rounds: dict[str, list[float]]

    def nanoseconds(self, name):
        return statistics.median(self.rounds[name]) * 1e9

    def ratio(self, name, reference):
        pairs = zip(self.rounds[name], self.rounds[reference], strict=True)
        return statistics.median(mine / other for mine, other in pairs)


def measure(contestants, *, rounds=401, seconds_each=0.0015, clock=time.process_time):
    """Seconds per piece of work of each contestant; every contestant's share of a round takes about `seconds_each`.

    The default clock counts the time that this process (all of its threads) really ran, so that a busy neighbour does not count.
    """
    pieces = {name: _pieces(work, seconds_each) for name, work in contestants.items()}
    times = {name: [] for name in contestants}
    gc.collect()
    for _ in range(rounds):
        for name, work in contestants.items():
            began = clock()
            work(pieces[name])
            times[name].append((clock() - began) / pieces[name])
    return Measured(times)


def _pieces(work, seconds):
    """How many pieces take about so long, after warming up."""
    work(2000)
    count = 1
    while True:
        took = min(_once(work, count) for _ in range(5))
        if took >= seconds / 2:
            return max(1, int(count * seconds / took))
        count *= 2


def _once(work, count):
    began = time.perf_counter()
    work(count)
    return time.perf_counter() - began
