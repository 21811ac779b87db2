"""The metrics of workers: what each uses, and how workers died; read when they are scraped, as all metrics."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from isp_plugins.contracts.worker import ResourceUse

Sample = tuple[Sequence[str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReading:
    """One plugin's worker, down or not."""

    plugin: str
    is_up: bool
    restarts: int
    use: ResourceUse = field(default_factory=ResourceUse)
    """What it used when it was looked at last."""
    throttled: Mapping[str, int] = field(default_factory=dict)
    """How often it was slowed down, by what it flooded."""
    deaths: Mapping[str, int] = field(default_factory=dict)
    """By reason."""


def of_use(name: str) -> Callable[[Sequence[WorkerReading]], Iterator[Sample]]:
    """What each worker uses of one resource; nothing of one that the system does not tell of."""

    def read(workers: Sequence[WorkerReading]) -> Iterator[Sample]:
        for worker in workers:
            used = getattr(worker.use, name)
            if worker.is_up and used is not None:
                yield (worker.plugin,), used

    return read


def up(workers: Sequence[WorkerReading]) -> Iterator[Sample]:
    """Which live."""
    return (((worker.plugin,), worker.is_up) for worker in workers)


def restarts(workers: Sequence[WorkerReading]) -> Iterator[Sample]:
    """How often each was started anew."""
    return (((worker.plugin,), worker.restarts) for worker in workers)


def deaths(workers: Sequence[WorkerReading]) -> Iterator[Sample]:
    """How often each died, and of what."""
    return (((worker.plugin, reason), count) for worker in workers for reason, count in worker.deaths.items())


def throttled(workers: Sequence[WorkerReading]) -> Iterator[Sample]:
    """How often each was slowed down."""
    return (((worker.plugin, what), count) for worker in workers for what, count in worker.throttled.items())
