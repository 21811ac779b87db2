"""How a plugin is built and what it finds, what its values become on their way, and which of its methods are called."""

import json

import pytest

from isp_plugin_sdk.testing import (
    PluginHarness,
    ReturnValueError,
)


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
