"""What a plugin can ask of its host, and what it knows of the call under way."""

import textwrap

import pytest

from support.contract_plugin import raised

# the host


def test_storage_keeps_values(run, host):
    code = """
        <host>.set("a/1", {"n": [1, None, "é"]})
        <host>.set("b", 0)
        return [<host>.get("a/1"), <host>.get("b"), <host>.get("c"), <host>.get("c", "d"), <host>.list("a/"), <host>.list(),
            <host>.delete("b"), <host>.delete("b"), <host>.list()]
    """
    assert run(code) == [{"n": [1, None, "é"]}, 0, None, "d", ["a/1"], ["a/1", "b"], True, False, ["a/1"]]
    assert host.storage == {"a/1": {"n": [1, None, "é"]}}


def test_stored_value_is_a_copy(run):
    code = "mine = [1]\n<host>.set('k', mine)\nmine.append(2)\n(<host>.get('k')).append(3)\nreturn <host>.get('k')"
    assert run(code) == [1]


ONCE = """
    <with> <context>.once("m") as first:
        <host>.set("n", (<host>.get("n", 0)) + 1)
        <host>.delete("gone")
        inside = [<host>.get("n"), <host>.list()]
        {more}
    return [first, inside]
"""


def test_once_keeps_what_is_stored_the_first_time_only(run, host):
    host.storage["gone"] = 1
    assert run(ONCE.format(more="pass")) == [True, [1, ["n"]]]
    assert run(ONCE.format(more="pass")) == [False, [2, ["n"]]]
    assert (host.storage, host.marks) == ({"n": 1}, {"m"})


def test_once_that_fails_keeps_nothing(run, host):
    assert raised(run, ONCE.format(more="raise OSError('no')")) == ("OSError", "no")
    assert (host.storage, host.marks) == ({}, set())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("<host>.set('k' * 201, 1)", "StorageLimitError"),
        ("<host>.set('k', 'x' * 300_000)", "StorageLimitError"),
        ("<host>.set('k', object())", "NotJsonError"),
        ("<host>.set('k', {1})", "NotJsonError"),
        ("<host>.dispatch('h', {1: 2})", "NotJsonError"),
        ("<host>.emit('h', b'x')", "NotJsonError"),
        ("<with> <context>.once() as first:\n    return first", "NoEventError"),
        ("<with> <context>.once('a'):\n    <with> <context>.once('b'):\n        return 1", "NestedOnceError"),
    ],
)
def test_what_the_host_does_not_take_is_told_by_its_class(run, code, kind):
    told, text = raised(run, code)
    assert told == kind
    caught = f"try:\n{textwrap.indent(code, '    ')}\nexcept errors.{kind} as error:\n    return str(error)"
    assert run(caught) == text


def test_error_of_the_sdk_is_also_of_its_standard_kind(run):
    code = "try:\n    <host>.set('k' * 201, 1)\nexcept ValueError as error:\n    return [sorted(error.fields), type(error).__name__]"
    assert run(code) == [["got", "limit", "what"], "StorageLimitError"]


def test_dispatch_answers_and_is_told_of_the_call(run, host):
    host.answer("invoice_created", {"value": {"a": 1}, "status": "completed"})
    found = run("<host>.dispatch('invoice_created', {'id': 1}, {'tenant': 7})", hook="customer_created")
    assert (found["status"], found["value"]) == ("completed", {"a": 1})
    (record,) = host.dispatches
    assert (record.hook, record.payload, record.context) == ("invoice_created", {"id": 1}, {"tenant": 7})
    assert record.chain == ("sample",)
    assert record.request_id


def test_emit_tells_the_host(run, host):
    assert run("<host>.emit('invoice_created', [1])") is None
    assert [(one.hook, one.payload) for one in host.emits] == [("invoice_created", [1])]


@pytest.mark.parametrize("error", [KeyError("k"), RuntimeError("not now"), OSError(5, "disk")])
def test_host_that_cannot_is_a_refusal(run, host, error):
    host.answer("invoice_created", error)
    kind, text = raised(run, "<host>.dispatch('invoice_created', 1)")
    assert (kind, str(error) in text, "is refused by the host" in text) == ("HostRefusedError", True, True)
    told = "try:\n    <host>.dispatch('invoice_created', 1)\nexcept errors.HostRefusedError as error:\n    return error.fields['problem']"
    assert run(told) == type(error).__name__


def test_host_that_runs_out_of_time_is_told_as_that(run, host):
    host.answer("invoice_created", TimeoutError())
    assert raised(run, "<host>.dispatch('invoice_created', 1)")[0] == "HostCallTimedOutError"


def test_call_that_would_stop_the_loop_is_refused(harness):
    code = "try:\n    self.context.get('k')\nexcept errors.CalledOnEventLoopError as error:\n    return isinstance(error, RuntimeError)"
    assert harness.action("coroutine", {"code": code, "payload": None}) is True


# the current call


def test_current_call_is_known(run):
    code = "c = self.context\nreturn [c.hook, bool(c.request_id), dict(c.call_context), c.idempotency_key, c.attempt]"
    assert run(code, hook="customer_created", context={"tenant": {"id": 7}}) == [
        "customer_created", True, {"tenant": {"id": 7}}, None, 1,
    ]  # fmt: skip


def test_event_knows_its_key_and_attempt(harness):
    code = "return [self.context.idempotency_key, self.context.attempt]"
    given = {"code": code, "payload": None}
    assert harness.event("plain", given, context={"idempotency_key": "k", "attempt": 3}) == ["k", 3]


def test_deadline_is_known_and_passes(run):
    left = run("self.context.deadline_left")
    assert 0 < left <= 60


def test_thread_of_the_plugin_is_in_no_call_and_reaches_the_host(harness, host):
    code = """
def work():
    c = self.context
    c.set("from a thread", [c.hook, c.request_id, c.deadline_left, dict(c.call_context)])
thread = threading.Thread(target=work)
thread.start()
thread.join()
return self.context.get("from a thread")
"""
    assert harness.action("plain", {"code": code, "payload": None}) == [None, None, None, {}]


def test_task_is_in_the_call_that_made_it(harness):
    code = "async def work():\n    return self.context.hook\nreturn await asyncio.create_task(work())"
    found = harness.action("coroutine", {"code": code, "payload": None}, hook="customer_created")
    assert found == "customer_created"


def test_context_variables_do_not_leak_from_call_to_call(run):
    run(
        "if not hasattr(self, 'variable'):\n    self.variable = contextvars.ContextVar('v', default=0)\nreturn 1"
    )
    assert run(
        "before = self.variable.get()\nself.variable.set(5)\nreturn [before, self.variable.get()]"
    ) == [0, 5]
    assert run("self.variable.get()") == 0
