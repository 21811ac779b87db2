"""docs/protocol.md says what is true: its messages have the shapes that the suite checks, its worker runs, its tables are complete."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from isp_plugins.conformance.session import Options, opened
from isp_plugins.conformance.shapes import (
    ERROR_DATA,
    TO_HOST,
    TO_WORKER,
    Shape,
    mistakes,
    mistakes_in_message,
)
from isp_plugins.conformance.suite import CHECKS, run
from isp_plugins.conformance.vocabulary import DEFAULT_LIMIT, MAX_CALLS, SOCKET_VARIABLE, Code, Stage, Verdict
from isp_plugins.settings import Settings
from support.commands import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text()
LINE = re.compile(r"^(host|worker) +(\{.*\})$")
BLOCKS = [
    [(match[1], json.loads(match[2])) for line in block.splitlines() if (match := LINE.match(line))]
    for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
]
MESSAGES = [message for block in BLOCKS for message in block]
CONVERSATION = BLOCKS[-1]


@pytest.fixture
def greeter(tmp_path):
    """The worker that the page prints."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "greeter.py"
    path.write_text(code)
    return sys.executable, str(path)


def test_every_line_of_an_example_is_a_message():
    printed = [
        line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    ]
    assert len(printed) == len(MESSAGES) > 40


@pytest.mark.parametrize("block", BLOCKS)
def test_messages_have_the_shapes_that_are_checked(block):
    asked = {}
    for sender, message in block:
        assert mistakes_as(sender, message) == [], message
        if "method" in message:
            asked[sender, message.get("id")] = message["method"]
        elif "result" in message:
            method = asked["worker" if sender == "host" else "host", message["id"]]
            assert mistakes((TO_WORKER | TO_HOST)[method].result, message["result"]) == []


def mistakes_as(sender, message):
    """What makes a message none of this sender's."""
    if sender == "worker" or "method" not in message:
        return mistakes_in_message(message)
    shape = TO_WORKER.get(message["method"], Shape({"not": {}}))
    has_id = mistakes({"type": "integer", "minimum": 1}, message.get("id")) == []
    return mistakes(shape.params, message["params"]) + (["id"] if has_id == (shape.result is None) else [])


@pytest.mark.parametrize(("sender", "names"), [("host", set(TO_WORKER)), ("worker", set(TO_HOST))])
def test_every_request_and_notification_has_an_example(sender, names):
    assert {message["method"] for by, message in MESSAGES if by == sender and "method" in message} == names


def test_every_error_code_is_told_and_those_with_data_have_an_example():
    assert set(map(int, re.findall(r"^\| (-?\d+) \|", PAGE, re.MULTILINE))) == set(Code)
    shown = {message["error"]["code"] for _, message in MESSAGES if "error" in message}
    assert set(ERROR_DATA) <= shown


def test_every_check_stands_with_its_rule():
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE.partition("The checks:")[2], re.MULTILINE))
    assert told == {check.name: check.rule for check in CHECKS}


def test_methods_of_the_conformance_plugin_are_told():
    table = PAGE.partition("*conformance plugin*")[2].partition("The checks:")[0]
    told = set(re.findall(r"^\| `([a-z]+)`", table, re.MULTILINE))
    assert told == {method for check in CHECKS for method in check.methods}


@pytest.mark.parametrize(
    "text", [SOCKET_VARIABLE, f'"max_message_bytes": {DEFAULT_LIMIT}', f'"max_calls": {MAX_CALLS}']
)
def test_words_and_numbers_are_the_codes(text):
    assert text in PAGE


def test_conversation_is_what_the_printed_worker_says(greeter):
    with subprocess.Popen(greeter, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for sender, message in CONVERSATION:
            if sender == "host":
                process.stdin.write(json.dumps(message).encode() + b"\n")
                process.stdin.flush()
            else:
                assert json.loads(process.stdout.readline()) == message
        assert (process.stdout.read(), process.wait(timeout=60)) == (b"", 0)


async def test_printed_worker_keeps_the_rules(greeter):
    report = await run(Options(greeter, answer_s=60, handshake_s=60, any_plugin=True))
    assert [
        result for result in report.results if result.verdict not in {Verdict.PASSED, Verdict.SKIPPED}
    ] == []
    assert report.conforms


@pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js 20 or newer: there is no `node` on the PATH"
)
async def test_author_guides_plugin_in_javascript_answers(tmp_path):
    (code,) = re.findall(r"```js\n(.*?)```", (ROOT / "docs" / "authors.md").read_text(), re.DOTALL)
    (tmp_path / "main.js").write_text(code)
    shutil.copy(ROOT / "examples" / "plugins" / "fair_use_node" / "protocol.js", tmp_path)
    options = Options(
        ("node", str(tmp_path / "main.js")), config={"greeting": "Hello"}, answer_s=60, handshake_s=60
    )
    async with opened(options) as session:
        await session.reach(Stage.ACTIVE)
        session.host.storage["greeted"] = 41
        assert await session.value("greet", {"id": 7, "name": "Ada"}) == "Hello, Ada! You are number 42."


RUNTIME = "integration/runtime/worker/"
HOST_TABLE = {
    "no answer to `handshake`": [
        RUNTIME + "test_faults.py::test_program_that_does_not_speak_is_told",
        RUNTIME + "test_rule_breakers.py::test_worker_of_another_version_is_not_started",
    ],
    "`initialize` takes longer": [
        RUNTIME + "test_faults.py::test_import_that_hangs_is_told_and_leaves_no_process",
        RUNTIME + "test_faults.py::test_initialize_that_hangs_is_told",
    ],
    "a line that is not JSON": [
        RUNTIME
        + "test_rule_breakers.py::test_line_that_is_not_the_protocol_ends_the_worker_with_its_beginning"
    ],
    "an answer to a request that is not under way": [
        RUNTIME + "test_rule_breakers.py::test_answers_that_nobody_asked_for_are_dropped_and_counted"
    ],
    "a request that this page does not have": [
        RUNTIME + "test_rule_breakers.py::test_request_that_the_protocol_does_not_have_is_refused_by_its_code"
    ],
    "no answer to a call": [
        RUNTIME + "test_rule_breakers.py::test_call_past_its_deadline_is_cancelled_and_the_next_ones_go_on"
    ],
    "no answer to three `ping`s": [
        RUNTIME + "test_faults.py::test_worker_that_answers_no_ping_is_killed",
        RUNTIME
        + "test_faults.py::test_call_that_never_ends_is_given_up_then_its_worker_killed_with_its_name",
    ],
    "more than its limits": [
        "integration/lifecycle/test_worker_deaths.py::test_one_above_its_limit_is_restarted_with_the_limit_named"
    ],
    "a flood of log lines": [
        "integration/lifecycle/test_supervised_workers.py::test_flood_of_the_log_is_named_in_the_health",
        RUNTIME + "test_floods.py::test_flood_of_the_channel_is_slowed_down_and_everybody_is_served",
    ],
    "host calls whose answers it does not read": [
        RUNTIME
        + "test_floods.py::test_worker_that_never_reads_its_answers_is_ended_before_they_fill_the_host"
    ],
    "a host call whose answer would be too long": [
        RUNTIME
        + "test_host_answers.py::test_answer_that_is_too_long_is_refused_in_words_and_the_worker_lives"
    ],
    "the process ends by itself": [
        RUNTIME + "test_faults.py::test_every_call_under_way_is_answered_when_the_worker_is_killed",
        "integration/lifecycle/test_worker_deaths.py::test_crash_loop_ends_in_quarantine_with_the_cause_kept",
    ],
}
"""How each line of the table begins that says what the host does, and the tests that hold it to that."""


def host_table():
    part = PAGE.partition("## What the host does with a worker that breaks the rules")[2]
    return re.findall(
        r"^\| (?!what happens|---)(.+?) \| (.+) \|$", part.partition("To kill means")[0], re.MULTILINE
    )


def test_every_line_of_what_the_host_does_is_held_by_tests():
    lines = [happens for happens, _ in host_table()]
    assert [[begin for begin in HOST_TABLE if line.startswith(begin)] for line in lines] == [
        [begin] for begin in HOST_TABLE
    ]
    for test in (test for tests in HOST_TABLE.values() for test in tests):
        file, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), test


def test_numbers_of_what_the_host_does_are_the_defaults_of_the_settings(tmp_path):
    defaults = Settings(data_dir=tmp_path)
    told = " ".join(cell for line in host_table() for cell in line)
    words = {3: "three", 5: "five"}
    assert f"in {defaults.worker_handshake_timeout:g} s" in told
    assert f"{words[defaults.worker_ping_misses]} `ping`s" in told
    assert (
        f"at most {words[defaults.restart_limit]} times in {words[defaults.restart_window / 60]} minutes"
        in told
    )
