"""One probe at a time, and what comes back is an answer or a miss."""

import asyncio

import pytest

from isp_plugins.contracts.vocabulary import HealthStatus
from isp_plugins.runtime.probes import Probe, first_pause, next_pause
from isp_plugins.testing import FakeClock

GOOD = {"status": "healthy", "checks": [{"name": "peer", "status": "pass", "message": "fine"}]}


class Plugin:
    """Answers when it is let, with what it is told to."""

    def __init__(self, report=GOOD):
        self.report, self.asked, self.hold = report, 0, asyncio.Event()
        self.hold.set()

    async def health(self, deadline_s):
        self.asked += 1
        await self.hold.wait()
        return self.report


async def ask(plugin):
    return await Probe(plugin, FakeClock()).ask(5)


async def test_report_is_an_answer_whatever_it_says():
    answer = await ask(Plugin(GOOD | {"status": "unhealthy"}))
    assert (answer.missed, answer.status) == (False, HealthStatus.UNHEALTHY)


async def test_report_of_the_host_is_a_miss():
    assert (await ask(Plugin(GOOD | {"answered": False}))).missed


async def test_reasons_are_the_checks_that_do_not_pass():
    checks = [
        *GOOD["checks"],
        {"name": "queue", "status": "warn", "message": "90 waiting"},
        {"name": "disk", "status": "fail"},
    ]
    assert (await ask(Plugin({"status": "degraded", "checks": checks}))).reasons == (
        "queue: 90 waiting",
        "disk: fail",
    )


async def test_who_asks_together_asks_once():
    plugin = Plugin()
    plugin.hold.clear()
    probe = Probe(plugin, FakeClock())
    asking = [asyncio.create_task(probe.ask(5)) for _ in range(3)]
    await asyncio.sleep(0)
    plugin.hold.set()
    answers = await asyncio.gather(*asking)
    assert plugin.asked == 1
    assert answers[0] is answers[1] is answers[2]


async def test_one_who_gives_up_does_not_take_the_answer_from_others():
    plugin = Plugin()
    plugin.hold.clear()
    probe = Probe(plugin, FakeClock())
    hasty, patient = asyncio.create_task(probe.ask(5)), asyncio.create_task(probe.ask(5))
    await asyncio.sleep(0)
    hasty.cancel()
    plugin.hold.set()
    assert (await patient).status is HealthStatus.HEALTHY


async def test_stopped_instance_gives_no_answer():
    plugin = Plugin()
    plugin.hold.clear()
    probe = Probe(plugin, FakeClock())
    asking = asyncio.create_task(probe.ask(5))
    await asyncio.sleep(0)
    probe.give_up()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_next_question_is_a_new_one():
    plugin = Plugin()
    probe = Probe(plugin, FakeClock())
    await probe.ask(5)
    await probe.ask(5)
    assert plugin.asked == 2


@pytest.mark.parametrize(("roll", "pause"), [(0.0, 27.0), (0.5, 30.0), (1.0, 33.0)])
def test_pause_is_up_to_a_tenth_shorter_or_longer(roll, pause):
    assert next_pause(30.0, roll) == pytest.approx(pause)


def test_first_probe_comes_within_two_seconds_or_the_interval():
    assert first_pause(30.0, 1.0) == 2.0
    assert first_pause(0.5, 1.0) == 0.5
