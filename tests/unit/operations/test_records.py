"""An operation's changes, as values."""

from datetime import UTC, datetime

from isp_plugins.operations import records
from isp_plugins.operations.errors import OperationCancelledError
from isp_plugins.operations.records import Operation, OperationState, Step

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def operation(*names: str) -> Operation:
    return Operation(
        id=7,
        kind="install",
        subject="mailer",
        state=OperationState.RUNNING,
        steps=tuple(Step(name) for name in names),
        progress=0.0,
        actor={},
        request={},
        result=None,
        error=None,
        node="local",
        created_at=NOW,
        started_at=NOW,
        ended_at=None,
    )


def test_each_step_counts_the_same_and_tells_how_far_it_is():
    begun = records.begun(operation("fetch", "unpack"), "fetch", NOW)
    half = records.at(begun, "fetch", 0.5, "5 of 10 MiB")
    done = records.done(half, "fetch", NOW)
    assert [begun.progress, half.progress, done.progress] == [0.0, 0.25, 0.5]
    assert half.step == Step("fetch", began=NOW, detail="5 of 10 MiB")


def test_fraction_stays_within_the_step():
    begun = records.begun(operation("fetch", "unpack"), "fetch", NOW)
    assert records.at(begun, "fetch", 7.0, None).progress == 0.5
    assert records.at(begun, "fetch", -1.0, None).progress == 0.0


def test_step_left_out_counts_as_done():
    assert records.begun(operation("fetch", "unpack", "enable"), "enable", NOW).progress == 0.6667


def test_failed_operation_says_which_step_and_keeps_its_progress():
    begun = records.begun(operation("fetch", "unpack"), "unpack", NOW)
    error = OperationCancelledError(who="ada", where=" in step unpack")
    ended = records.ended(begun, OperationState.CANCELLED, NOW, error=error)
    assert ended.is_ended
    assert ended.progress == 0.5
    assert ended.steps[1].ended == NOW
    assert ended.error == {
        "problem": "operation-cancelled",
        "detail": "It was cancelled by ada in step unpack. What it had done was undone; ask for it again when you want it.",
        "step": "unpack",
        "errors": [],
    }


def test_succeeded_operation_is_complete():
    ended = records.ended(operation("fetch"), OperationState.SUCCEEDED, NOW, result={"id": 1})
    assert (ended.progress, ended.result, ended.error) == (1.0, {"id": 1}, None)


def test_step_survives_its_row():
    step = Step("fetch", began=NOW, detail="x")
    assert Step.of(step.to_row()) == step
