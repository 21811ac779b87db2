"""The conformance suite passes a good worker and notices every broken one: for each check there is a worker that breaks its rule alone."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from isp_plugins.conformance.process import CommandNotStartedError
from isp_plugins.conformance.session import Options
from isp_plugins.conformance.suite import CHECKS, CheckUnknownError, chosen, run
from isp_plugins.conformance.vocabulary import Transport, Verdict
from support.commands import ROOT
from support.waiting import until

SUPPORT = ROOT / "tests" / "support"
WORKER = (sys.executable, str(SUPPORT / "protocol_worker.py"))
PATIENT_S = 60.0
SILENCE_S = 1.0
"""How long a broken worker may keep silent; a good one is never measured with it."""
SILENT = {"not-json", "not-a-message", "pieces", "ping-during-a-call", "call-during-a-call", "calls-at-once", "reentrance",
    "reentrance-at-the-limit", "exit-during-a-call", "end-of-channel", "end-of-channel-during-a-call", "end-of-channel-before-handshake"}  # fmt: skip
"""The faults that show as no answer at all."""


def options(*command, answer_s=PATIENT_S, **more):
    return Options(command=command, answer_s=answer_s, handshake_s=PATIENT_S, **more)


async def verdict(name, command, **more):
    report = await run(options(*command, **more), chosen([name]))
    return report.results[0]


@pytest.mark.timeout(600)  # a process for each check
@pytest.mark.parametrize("transport", list(Transport))
async def test_good_worker_passes_everything(transport):
    report = await run(options(*WORKER, transport=transport))
    assert [result for result in report.results if result.verdict is not Verdict.PASSED] == []
    assert (len(report.results), report.conforms) == (len(CHECKS), True)


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
async def test_check_notices_the_worker_that_breaks_its_rule(name):
    patience_s = SILENCE_S if name in SILENT else PATIENT_S
    result = await verdict(name, (*WORKER, name), answer_s=patience_s)
    assert (result.verdict, bool(result.expected), bool(result.got)) == (Verdict.FAILED, True, True)


async def test_checks_that_stand_on_a_failed_one_are_not_tried():
    report = await run(
        options(*WORKER, "handshake"), chosen(["handshake", "ping", "end-of-channel-before-handshake"])
    )
    assert [result.verdict.value for result in report.results] == ["failed", "blocked", "passed"]
    assert not report.conforms


async def test_silent_command_is_waited_for_no_longer_than_allowed():
    quiet = Options((sys.executable, "-c", "input(); input()"), answer_s=PATIENT_S, handshake_s=0.5)
    result = (await run(quiet, chosen(["handshake"]))).results[0]
    assert (result.expected, result.got) == ("the answer to handshake within 0.5 s", "nothing")


async def test_command_that_ends_at_once_is_told_with_its_log():
    result = await verdict("handshake", (sys.executable, "-c", "raise SystemExit('no database')"))
    assert (result.verdict, result.got, result.log) == (
        Verdict.FAILED,
        "the end of the channel",
        ("no database",),
    )


async def test_missing_program_is_refused():
    with pytest.raises(CommandNotStartedError, match="'/nowhere/at/all x' cannot be started: No such file"):
        await run(options("/nowhere/at/all", "x"), CHECKS[:1])


def test_unknown_check_is_refused():
    with pytest.raises(CheckUnknownError, match="no check 'nothing'"):
        chosen(["nothing"])


async def test_children_of_the_command_do_not_outlive_it(tmp_path):
    pid_file = tmp_path / "pid"
    starts_a_child = f"import subprocess, sys; p = subprocess.Popen(['sleep', '1000']); open({str(pid_file)!r}, 'w').write(str(p.pid)); input()"
    await run(
        Options((sys.executable, "-c", starts_a_child), handshake_s=PATIENT_S),
        chosen(["end-of-channel-before-handshake"]),
    )
    pid = int(pid_file.read_text())
    await until(lambda: is_gone(pid))


def is_gone(pid):
    """Whether a process, which is not ours to reap, is away or only waits to be reaped."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


PLUGIN_OF_ONES_OWN = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
from protocol_worker import Worker, streams

class Own(Worker):
    capabilities = ()

    def description(self):
        return {{"hooks": [], "methods": [], "capabilities": []}}

Own(*streams()).run()
"""


async def test_other_plugin_skips_what_needs_the_conformance_plugin():
    command = (sys.executable, "-c", PLUGIN_OF_ONES_OWN)
    report = await run(options(*command, any_plugin=True), chosen(["health", "unicode", "configure"]))
    assert {result.name: result.verdict.value for result in report.results} == {
        "health": "passed", "unicode": "skipped", "configure": "skipped"
    }  # fmt: skip
    assert report.conforms


async def test_other_plugin_fails_where_the_conformance_plugin_is_expected():
    result = await verdict("unicode", (sys.executable, "-c", PLUGIN_OF_ONES_OWN))
    assert (result.verdict, result.got) == (Verdict.FAILED, "a plugin without echo")


async def test_configuration_of_the_command_line_arrives():
    report = await run(options(*WORKER, config={"a": 1}), chosen(["configure-can-be-refused"]))
    assert report.conforms


def test_report_is_json():
    report = asyncio.run(run(options(*WORKER), chosen(["ping"])))
    shown = json.loads(json.dumps(report.to_dict()))
    assert (shown["summary"]["passed"], shown["implementation"]["name"], shown["transport"]) == (
        1,
        "support",
        "stdio",
    )
