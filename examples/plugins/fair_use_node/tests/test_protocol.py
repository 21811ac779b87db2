"""protocol.js speaks the protocol, over both transports: everything that the conformance suite asks of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.conformance.session import Options, opened
from isp_plugins.conformance.suite import chosen, run
from isp_plugins.conformance.vocabulary import Code, Stage, Transport, Verdict

CONFORMANCE = ("node", str(Path(__file__).with_name("conformance.js")))
WAIT_S = 60.0


@pytest.mark.timeout(600)  # a process for each check
@pytest.mark.parametrize("transport", list(Transport))
async def test_conformance_plugin_passes_every_check(transport: Transport) -> None:
    report = await run(Options(CONFORMANCE, transport, answer_s=WAIT_S, handshake_s=WAIT_S))
    assert [result for result in report.results if result.verdict is not Verdict.PASSED] == []


async def test_fair_use_keeps_the_rules_that_every_plugin_keeps(options: Callable[..., Any]) -> None:
    command = options({}).command
    names = [
        "handshake",
        "initialize",
        "activate",
        "health",
        "info",
        "invoke-unknown-method",
        "cleanup-and-exit",
    ]
    report = await run(Options(command, answer_s=WAIT_S, handshake_s=WAIT_S, any_plugin=True), chosen(names))
    assert (report.conforms, len(report.results)) == (True, len(names))


async def test_cancelled_call_is_answered_at_once() -> None:
    async with opened(Options(CONFORMANCE, answer_s=WAIT_S, handshake_s=WAIT_S)) as session:
        await session.reach(Stage.ACTIVE)
        call = session.invoke("slow", {"ms": 3_600_000})
        session.channel.notify("cancel", {"id": call.id})
        assert (await session.answer_to(call)).code == Code.CANCELLED


async def test_value_too_long_for_the_host_is_the_plugins_mistake() -> None:
    async with opened(Options(CONFORMANCE, answer_s=WAIT_S, handshake_s=WAIT_S), limit=65536) as session:
        await session.reach(Stage.ACTIVE)
        # JavaScript writes 1e20 with all its digits, so that what comes in fits and what goes out does not.
        answer = await session.answer_to(session.invoke("store", {"key": "k", "value": [1e20] * 5000}))
        assert answer.code == Code.RAISED, answer.shown
        assert "longer than the limit of 65536" in answer.shown


async def test_quiet_log_level_is_kept() -> None:
    async with opened(Options(CONFORMANCE, answer_s=WAIT_S, handshake_s=WAIT_S)) as session:
        await session.reach(Stage.ACTIVE)
        session.channel.notify("log_level", {"level": "WARNING"})
        await session.value("say", {"text": "hush"})
        await session.get("ping", {})
        assert [name for name, _ in session.channel.notifications if name == "log"] == []
