"""Limits of workers: whose counts, and when a breach does."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.worker import ResourceUse, WorkerLimits
from isp_plugins.runtime.worker.resources import (
    MIB,
    Amounts,
    Limit,
    LimitSource,
    Resource,
    Strikes,
    limits_of,
)

MEMORY = Limit(Resource.MEMORY, 100, LimitSource.OPERATOR)
THREADS = Limit(Resource.THREADS, 10, LimitSource.MANIFEST)


def amounts(**found: float) -> Amounts:
    return Amounts({Resource(name): amount for name, amount in found.items()})


def test_smaller_of_two_limits_counts_and_says_whose_it_is() -> None:
    found = limits_of(
        WorkerLimits(memory_mb=64, threads=500, cpu_percent=50), WorkerLimits(512, 0, 1024, 256)
    )
    assert found == (
        Limit(Resource.MEMORY, 64, LimitSource.MANIFEST),
        Limit(Resource.CPU, 50, LimitSource.MANIFEST),
        Limit(Resource.OPEN_FILES, 1024, LimitSource.OPERATOR),
        Limit(Resource.THREADS, 256, LimitSource.OPERATOR),
    )


def test_operators_zero_is_no_cap() -> None:
    assert limits_of(WorkerLimits(), WorkerLimits(0, 0, 0, 0)) == ()


amount = st.none() | st.integers(1, 10_000)
limits = st.builds(WorkerLimits, amount, amount, amount, amount)
caps = st.builds(WorkerLimits, *[st.integers(0, 10_000)] * 4)


@given(limits, caps)
def test_no_manifest_exceeds_the_operators_cap(manifest: WorkerLimits, operator: WorkerLimits) -> None:
    of_operator = {
        Resource.MEMORY: operator.memory_mb,
        Resource.CPU: operator.cpu_percent,
        Resource.OPEN_FILES: operator.open_files,
        Resource.THREADS: operator.threads,
    }
    for limit in limits_of(manifest, operator):
        cap = of_operator[limit.resource]
        assert not cap or limit.allowed <= cap
        assert limit.source is LimitSource.MANIFEST or limit.allowed == cap


def test_one_sample_above_a_limit_is_no_breach_and_the_second_is() -> None:
    strikes, breach = Strikes().after(amounts(threads=11), (MEMORY, THREADS))
    assert breach is None
    _, breach = strikes.after(amounts(threads=12), (MEMORY, THREADS))
    assert breach is not None
    assert breach.words == "it used 12 threads, and 10 threads are allowed (its manifest's limit)"


def test_memory_of_twice_the_limit_is_a_breach_at_once() -> None:
    _, breach = Strikes().after(amounts(memory=200.0), (MEMORY, THREADS))
    assert breach is not None
    assert "200 MiB of memory" in breach.words
    assert "ISP_PLUGINS_WORKER_MEMORY_MB" in breach.words


def test_what_the_system_does_not_tell_is_no_breach() -> None:
    use = ResourceUse(cpu_s=1.0, memory_bytes=50 * MIB, open_files=None, threads=None)
    strikes = Strikes()
    for _ in range(5):
        strikes, breach = strikes.after(Amounts.of(use, None), (MEMORY, THREADS))
        assert breach is None


@given(st.lists(st.floats(0, 190), max_size=40))
def test_breach_is_exactly_two_samples_in_a_row(found: list[float]) -> None:
    strikes, seen = Strikes(), list[bool]()
    for one in found:
        strikes, breach = strikes.after(amounts(memory=one), (MEMORY,))
        seen.append(breach is not None)
    above = [one > MEMORY.allowed for one in found]
    assert seen == [now and before for now, before in zip(above, [False, *above], strict=False)]
