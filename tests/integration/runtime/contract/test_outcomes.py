"""What comes of a call: what is raised, what runs too long, what is logged, and what the lifecycle's methods answer."""

import pytest

from isp_plugin_sdk.testing import (
    ConfigureError,
    DeadlineExceededError,
)
from support.contract_plugin import raised

# what is raised


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('bad é')", "raise KeyError('k')", "raise SystemExit(3)", "raise KeyboardInterrupt('k')", "raise GeneratorExit('g')",
        "raise TimeoutError('mine')", "raise OSError(2, 'gone')", "raise StopIteration('s') if False else LookupError('s')",
        "raise type('Own', (Exception,), {})('mine')", "raise errors.NoEventError", "raise ExceptionGroup('g', [ValueError(1)])",
    ],
)  # fmt: skip
def test_what_is_raised_comes_out_with_its_name_and_text(run, code):
    names = {"errors": __import__("isp_plugin_sdk").errors}
    with pytest.raises(BaseException) as expected:
        exec(code, names)
    assert raised(run, code) == (type(expected.value).__name__, str(expected.value))


def test_reject_keeps_its_reason(run):
    assert raised(run, "raise Reject('on the deny list')") == ("Reject", "on the deny list")


@pytest.mark.parametrize("code", ["raise RetryLater(60, 'down')", "raise RetryLater(0.5)"])
def test_retry_later_keeps_its_pause(run, code):
    with pytest.raises(BaseException) as caught:
        run(code)
    error = caught.value
    expected = (60.0, "down") if "down" in code else (0.5, "")
    assert (type(error).__name__, error.retry_after_s, error.reason) == ("RetryLater", *expected)


def test_call_after_one_that_raised_is_served(run):
    raised(run, "raise SystemExit(1)")
    assert run("1") == 1


def test_coroutine_past_its_deadline_is_cancelled(harness):
    declared = {"seconds": 60}
    before, harness.deadline_s = harness.deadline_s, 0.2
    try:
        with pytest.raises(DeadlineExceededError):
            harness.action("await_for_ever", declared)
    finally:
        harness.deadline_s = before
    code = "while not hasattr(self, 'context_after'):\n    await asyncio.sleep(0)\nreturn self.context_after"
    assert harness.action("coroutine", {"code": code, "payload": None}) == "cancelled"


def test_plain_method_past_its_deadline_is_left_behind(harness):
    before, harness.deadline_s = harness.deadline_s, 0.2
    try:
        with pytest.raises(DeadlineExceededError):
            harness.action("wait_for_ever", {"seconds": 1.0})
    finally:
        harness.deadline_s = before
    assert harness.action("plain", {"code": "return 1", "payload": None}) == 1


# the log


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("self.logger.info('plain')", "plain"), ("self.logger.warning('%s and %d', 'a', 5)", "a and 5"),
        ("self.logger.error('é %s', {'a': 1})", "é {'a': 1}"), ("self.logger.debug('deep')", "deep"),
    ],
)  # fmt: skip
def test_what_is_logged_arrives_in_order(harness, run, code, message):
    harness.records.clear()
    run(f"{code}\nself.logger.info('last')\nreturn 1")
    assert harness.messages == [message, "last"]


def test_level_and_traceback_of_a_record_arrive(harness, run):
    harness.records.clear()
    run("try:\n    1 / 0\nexcept ZeroDivisionError:\n    self.logger.exception('broken')\nreturn 1")
    (record,) = harness.records
    shown = "".join(map(str, record.exc_info or ())) + (record.stack_info or "")
    assert (record.levelname, record.getMessage(), "ZeroDivisionError" in shown) == ("ERROR", "broken", True)


# the lifecycle


def test_health_is_the_plugins_own(harness):
    found = harness.health()
    assert (found["status"], found["checks"]) == (
        "degraded",
        [{"name": "a", "status": "warn", "message": "b"}],
    )


def test_info_is_made_from_class_and_package(harness):
    assert harness.info() == {
        "name": "Plugin",
        "version": "4.5",
        "status": "active",
        "description": "A plugin that does what a test says.",
    }


def test_connection_test_answers(harness):
    found = harness.test_connection()
    assert (found["ok"], found["message"], found["steps"][0]) == (True, "here", "constructed")


def test_new_configuration_becomes_the_plugins(harness, run):
    harness.configure({"limit": 8, "names": []})
    assert run("[self.config['limit'], self.steps[-1]]") == [8, "configured"]


def test_refused_configuration_changes_nothing(harness, run):
    harness.configure({"limit": 2, "names": []})
    with pytest.raises((ConfigureError, ValueError), match="limit"):
        harness.configure({"limit": -1, "names": []})
    assert run("self.config['limit']") == 2
