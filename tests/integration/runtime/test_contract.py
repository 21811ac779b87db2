"""The SDK's contract with a plugin: its author cannot tell where it runs, in the harness of the SDK, in the host's process or in a worker.

Each test hands the plugin a few lines to run as the body of one of its methods, plain or `async def`; one instance serves them all.
"""

import json
import textwrap

import pytest

from isp_plugin_sdk.testing import (
    ConfigureError,
    DeadlineExceededError,
    FakeHost,
    PluginHarness,
    ReturnValueError,
)
from support.runtime_harness import HARNESSES

REGISTRATION = {
    "name": "sample",
    "module_path": "plugins.contract.plugin",
    "entry_point": "Plugin",
    "config_schema": {"limit": {"type": "integer", "default": 3}, "names": {"type": "array"}},
}
FILES = {
    "__init__.py": "__version__ = '4.5'\n",
    "data/greeting.txt": "hello from a file",
    "helper.py": "def double(n):\n    return 2 * n\n",
    "base.py": """
        import logging

        from app.services.plugin_service import PluginInterface
        from isp_plugin_sdk import action, filter

        log = logging.getLogger(__name__)


        class Base(PluginInterface):
            word = "base"

            def __init__(self, plugin_id, config):
                super().__init__(plugin_id, config)
                self.seen = [self.plugin_id, dict(self.config), self.context.plugin_name, self.context.hook]
                self.steps = ["constructed"]

            def initialize(self):
                self.steps.append("initialized")
                self.context.set("initialized", True)
                return True

            @action("customer_created", priority=20)
            def inherited(self, payload):
                return [self.word, payload]

            @filter("invoice_items")
            def change(self, value):
                value["n"] += 1
                return value
    """,
    "plugin.py": """
        import asyncio
        import contextvars
        import functools
        import threading
        from pathlib import Path

        from isp_plugin_sdk import Reject, RetryLater, action, errors

        from . import base
        from .helper import double

        NAMES = globals()


        def body(kind, code, names):
            spaces = {}
            lines = "\\n".join("    " + line for line in code.splitlines())
            exec(f"{kind} body(self, payload):\\n{lines}\\n", names, spaces)
            return spaces["body"]


        def traced(function):
            @functools.wraps(function)
            def wrapper(self, payload):
                return ["traced", function(self, payload)]
            return wrapper


        class Plugin(base.Base):
            "A plugin that does what a test says."

            word = "plugin"
            kept = None

            def initialize(self):
                return super().initialize()

            async def activate(self):
                self.steps.append("activated")
                await self.context.aio.set("activated", True)

            def configure(self, config):
                if config["limit"] < 0:
                    raise ValueError("limit")
                self.steps.append("configured")

            def test_connection(self):
                return {"ok": True, "message": "here", "steps": self.steps}

            def health_check(self):
                return {"status": "degraded", "checks": [{"name": "a", "status": "warn", "message": "b"}]}

            def cleanup(self):
                self.context.set("cleaned", self.steps)
                return True

            def plain(self, given):
                return body("def", given["code"], NAMES)(self, given["payload"])

            async def coroutine(self, given):
                return await body("async def", given["code"], NAMES)(self, given["payload"])

            @traced
            def wrapped(self, payload):
                return payload

            @staticmethod
            def static(payload):
                return ["static", payload]

            @classmethod
            def of_class(cls, payload):
                return [cls.word, payload]

            @action("customer_created", priority=10)
            def first(self, payload):
                return self.context.hook

            def wait_for_ever(self, payload):
                threading.Event().wait(payload.get("seconds"))

            async def await_for_ever(self, payload):
                try:
                    await asyncio.Event().wait()
                finally:
                    self.context_after = "cancelled"

            def two(self, one, other=2):
                return [one, other]
    """,
}


WORDS = {
    "plain": {"<host>": "self.context", "<with>": "with", "<context>": "self.context", "<wait>": ""},
    "coroutine": {
        "<host>": "await self.context.aio", "<with>": "async with", "<context>": "self.context.aio", "<wait>": "await ",
    },
}  # fmt: skip
"""What stands for the plain way and for its awaitable twin in a test's lines."""


@pytest.fixture(scope="module", params=HARNESSES)
def harness(request, tmp_path_factory):
    """One instance that serves the module's tests."""
    folder = tmp_path_factory.mktemp("contract")
    for name, source in FILES.items():
        file = folder / "plugins" / "contract" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))
    kind = HARNESSES[request.param]
    made = kind.from_registration(REGISTRATION, {"names": ["a"]}, folder=folder, plugin_id=17, deadline_s=60)
    with made as running:
        yield running
    assert running.host.storage["cleaned"][:3] == ["constructed", "initialized", "activated"]


@pytest.fixture(autouse=True)
def host(harness):
    """The host that the plugin talks to, with nothing in it."""
    fresh = FakeHost()
    harness.host.__dict__.update(fresh.__dict__)
    return harness.host


@pytest.fixture(params=["plain", "coroutine"])
def run(harness, request):
    """Run lines as the body of a plain method, and of a coroutine (where `wait` awaits)."""
    words = WORDS[request.param]

    def body(code, payload=None, **options):
        filled = textwrap.dedent(code).strip()
        for word, meant in words.items():
            filled = filled.replace(word, meant)
        if "return" not in filled and "raise" not in filled:
            filled = f"return {filled}"
        return harness.action(request.param, {"code": filled, "payload": payload}, **options)

    return body


def raised(run, code, payload=None, **options):
    """The name and text of what the plugin raised."""
    with pytest.raises(BaseException) as caught:
        run(code, payload, **options)
    return type(caught.value).__name__, str(caught.value)


def test_constructor_finds_number_configuration_and_context(run):
    assert run("self.seen") == [17, {"limit": 3, "names": ["a"]}, "sample", None]


def test_configuration_is_the_plugins_own_dict(run):
    assert run("[type(self.config).__name__, self.config['names']]") == ["dict", ["a"]]


def test_lifecycle_came_in_order(run):
    assert run("self.steps[:3]") == ["constructed", "initialized", "activated"]


def test_class_and_package_are_its_own(run):
    assert run("[self.word, double(4), type(self).__name__, base.Base.word]") == [
        "plugin",
        8,
        "Plugin",
        "base",
    ]


def test_module_knows_its_names(run):
    found = run("[__name__.split('.')[-3:], __package__.split('.')[-2:], Path(__file__).name]")
    assert found == [["plugins", "contract", "plugin"], ["plugins", "contract"], "plugin.py"]


def test_files_beside_the_code_can_be_read(run):
    assert run("(Path(__file__).parent / 'data' / 'greeting.txt').read_text()") == "hello from a file"


def test_module_can_be_imported_later(run):
    code = "import importlib\nreturn importlib.import_module('..contract.helper', __package__).double(2)"
    assert run(code) == 4


def test_own_package_can_be_imported_by_its_path(harness, run):
    if type(harness) is PluginHarness:
        pytest.skip("the harness imports under a root of its own; relative imports work everywhere")
    assert run(
        "from plugins.contract import helper\nimport plugins.contract.helper as same\nreturn helper is same"
    )


# values


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**63), 2**63 - 1, 1.0, -0.0, 1e300, 5e-324, 0.1, "", 'é ünï 🎉 \u2028 \\ " \n\t', [], {}, [[]],
        {"": 1, "b": 2, "a": 3}, {"é": [None, {"x": [1.5]}]}, "x" * 100_000, list(range(3000)),
    ],
)  # fmt: skip
def test_value_crosses_both_ways_as_it_is(run, value):
    found = run("payload", value)
    assert (json.dumps(found), type(found)) == (json.dumps(value), type(value))


@pytest.mark.parametrize(
    ("result", "arrives"),
    [
        ("(1, 2)", [1, 2]),
        ("__import__('collections').OrderedDict(b=1, a=2)", {"b": 1, "a": 2}),
        ("__import__('collections').Counter('aa')", {"a": 2}),
        ("__import__('enum').IntEnum('E', 'A')['A']", 1),
        ("type('Text', (str,), {})('t')", "t"),
        ("type('Real', (float,), {})(1.5)", 1.5),
    ],
)
def test_result_of_a_kindred_type_becomes_json(run, result, arrives):
    found = run(result)
    assert found == arrives
    assert type(found) is type(arrives)


@pytest.mark.parametrize(
    "result",
    [
        "object()", "{1}", "b'x'", "float('nan')", "float('inf')", "2 ** 64", "{1: 2}", "'\\ud800'", "'a\\0b'", "[[object()]]",
        "__import__('datetime').datetime(2026, 1, 1)", "__import__('decimal').Decimal(1)",
        "__import__('pathlib').Path('x')",  "range(3)", "(x for x in [])", "{'a': {}.keys()}",
        "__import__('dataclasses').make_dataclass('D', ['a'])(1)", "__import__('array').array('i', [1])",
    ],
)  # fmt: skip
def test_result_that_is_not_json_is_refused(run, result):
    with pytest.raises(ReturnValueError):
        run(result)


def test_payload_belongs_to_the_call(harness):
    payload = {"n": 1}
    assert harness.filter("change", payload) == {"n": 2}
    assert payload == {"n": 1}


def test_filter_that_returns_nothing_leaves_the_value(harness):
    assert harness.filter("plain", {"code": "return None", "payload": 1}) == {
        "code": "return None",
        "payload": 1,
    }


# methods


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("wrapped", ["traced", 1]), ("static", ["static", 1]), ("of_class", ["plugin", 1]), ("inherited", ["plugin", 1]),
    ],
)  # fmt: skip
def test_methods_of_every_kind_are_called(harness, method, answer):
    assert harness.action(method, 1) == answer


def test_declared_hooks_run_those_of_the_base_class_too(harness):
    found = harness.dispatch("customer_created", {"id": 1})
    assert [(one.method, one.value) for one in found.outcomes] == [
        ("first", "customer_created"),
        ("inherited", ["plugin", {"id": 1}]),
    ]


def test_execute_takes_arguments(harness):
    assert harness.call("two", 1) == [1, 2]
    assert harness.call("two", one=1, other=3) == [1, 3]


def test_plain_method_may_return_what_is_awaited(harness):
    code = "return self.coroutine({'code': 'return payload', 'payload': 5})"
    if type(harness) is PluginHarness:
        pytest.skip("the harness wants a coroutine function")
    assert harness.action("plain", {"code": code, "payload": None}) == 5


def test_what_is_kept_on_self_stays(run):
    run("self.kept = payload\nreturn 1", [1, {"a": 2}])
    assert run("self.kept") == [1, {"a": 2}]


def test_coroutines_share_a_loop_and_its_locks(harness):
    def run(code):
        return harness.action("coroutine", {"code": code, "payload": None})

    run("self.lock = asyncio.Lock()\nself.loop = asyncio.get_running_loop()\nreturn 1")
    assert run("async with self.lock:\n    return asyncio.get_running_loop() is self.loop")


def test_task_goes_on_after_its_call(harness):
    def run(code):
        return harness.action("coroutine", {"code": code, "payload": None})

    work = "async def work():\n    await self.go.wait()\n    return 'done'\n"
    run(f"self.go = asyncio.Event()\n{work}self.task = asyncio.create_task(work())\nreturn self.task.done()")
    assert run("self.go.set()\nreturn await self.task") == "done"


def test_plain_method_has_no_loop_in_its_thread(harness):
    code = "try:\n    asyncio.get_running_loop()\nexcept RuntimeError:\n    return 'none'"
    assert harness.action("plain", {"code": code, "payload": None}) == "none"


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
