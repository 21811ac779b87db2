"""A running plugin: how its methods are called, and what it does wrongly there."""

import asyncio
import contextvars
import threading

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.calls import CallMode
from isp_plugins.contracts.runtime import DeclaredHook
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.runtime.errors import (
    ActivateFailedError,
    ExecutionFailedError,
    ExecutionTimedOutError,
    MethodNotCallableError,
    ParametersInvalidError,
    PluginFailedError,
    ResultNotJsonError,
)

KINDS = pytest.mark.parametrize("kind", ["def", "async def"])


async def test_plugin_gets_its_number_configuration_logger_and_context(anywhere, caplog):
    body = """
        def initialize(self):
            self.logger.warning("hello from %s", self.plugin_id)
            return True
        def ask(self):
            self.context.set("key", 5)
            return [self.plugin_id, self.config, self.context.plugin_name, self.context.get("key")]
    """
    plugin = await anywhere.started(body, config={"a": {"b": 1}})
    assert await plugin.execute("ask", None, 5) == [anywhere.id, {"a": {"b": 1}}, "sample", 5]
    assert f"hello from {anywhere.id}" in caplog.messages
    await plugin.stop()


async def test_coroutine_reaches_the_host_by_the_awaitable_twin(anywhere):
    plugin = await anywhere.started(
        "async def ask(self):\n    await self.context.aio.set('k', 1)\n    return await self.context.aio.get('k')"
    )
    assert await plugin.execute("ask", None, 5) == 1
    await plugin.stop()


async def test_plugin_cannot_change_the_hosts_configuration(anywhere):
    config = {"hosts": ["a"]}
    plugin = await anywhere.started(
        "def initialize(self):\n    self.config['hosts'].append('b')\n    return True", config=config
    )
    assert config == {"hosts": ["a"]}
    await plugin.stop()


async def test_declared_hooks_are_told(anywhere):
    head = "from isp_plugin_sdk import action, filter\n"
    body = """
        @action("customer_created", priority=7, condition="id > 1")
        def welcome(self, customer):
            "Say welcome."
    """
    plugin = await anywhere.started(body, head=head)
    assert list(plugin.declared_hooks) == [
        DeclaredHook(
            "customer_created",
            SubscriptionType.ACTION,
            "welcome",
            7,
            "id > 1",
            None,
            "continue",
            False,
            "Say welcome.",
        )
    ]
    await plugin.stop()


async def test_callee_calls_the_running_instance(plugins):
    plugin = await plugins.started(
        "def ask(self, payload):\n    return [self.plugin_id, payload]", trusted_inline=True
    )
    callee = plugin.callee("ask")
    assert callee.mode is CallMode.INLINE
    assert callee.call("x") == [plugins.id, "x"]
    await plugin.stop()


@KINDS
async def test_execute_returns_a_copy_of_the_result(anywhere, kind):
    plugin = await anywhere.started(f"kept = {{'a': [1]}}\n{kind} ask(self):\n    return self.kept")
    result = await plugin.execute("ask", None, 5)
    result["a"].append(2)
    assert await plugin.execute("ask", None, 5) == {"a": [1]}
    await plugin.stop()


@KINDS
async def test_execute_binds_parameters(anywhere, kind):
    plugin = await anywhere.started(f"{kind} ask(self, first, second=2):\n    return [first, second]")
    assert await plugin.execute("ask", {"first": 1}, 5) == [1, 2]
    assert await plugin.execute("ask", [3, 4], 5) == [3, 4]
    with pytest.raises(ParametersInvalidError, match=r"ask\(first, second=2\)"):
        await plugin.execute("ask", {"id": 1}, 5)
    await plugin.stop()


@pytest.mark.parametrize(
    "method", ["initialize", "cleanup", "_hidden", "absent", "config", "__init__", "word", "shown"]
)
async def test_execute_calls_only_the_plugins_own_public_methods(anywhere, method):
    body = "word = 'x'\ndef _hidden(self):\n    pass\n@property\ndef shown(self):\n    raise AssertionError\ndef initialize(self):\n    return True"
    plugin = await anywhere.started(body)
    with pytest.raises(MethodNotCallableError):
        await plugin.execute(method, None, 5)
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{'a': [1, object()]}", r"a.*1: expected a JSON value, got object"),
        ("{1: 2}", "text as every key"),
        ("float('nan')", "finite number"),
        ("b'x'", "got bytes"),
        ("2 ** 70", "64 bits"),
        ("'\\ud800'", "surrogate"),
        ("endless()", "levels"),
    ],
)
async def test_result_that_is_not_json_is_told_with_where_and_what(anywhere, kind, value, reason):
    head = "def endless():\n    x = []\n    x.append(x)\n    return x\n"
    plugin = await anywhere.started(f"{kind} ask(self):\n    return {value}", head=head)
    with pytest.raises(ResultNotJsonError, match=reason):
        await plugin.execute("ask", None, 5)
    await plugin.stop()


@KINDS
@pytest.mark.parametrize(
    "raised", ["ValueError('bad')", "SystemExit('bad')", "KeyboardInterrupt('bad')", "GeneratorExit('bad')"]
)
async def test_what_a_method_raises_stays_with_it(anywhere, kind, raised):
    plugin = await anywhere.started(f"{kind} ask(self):\n    raise {raised}")
    with pytest.raises(
        ExecutionFailedError, match=r"ask failed: \w+: .*bad.* \(plugins/sample.py:\d+\)"
    ) as caught:
        await plugin.execute("ask", None, 5)
    assert "raise" in caught.value.traceback
    assert caught.value.__context__ is None
    await plugin.stop()


LEAKS = "'x' * 480 + 'secret-token' * 9"


@pytest.fixture
def masking(anywhere):
    """A folder whose plugins have a secret."""
    anywhere.mask = lambda _plugin_id, text: text.replace("secret-token", "********")
    return anywhere


async def test_what_a_plugin_raises_is_masked_before_it_is_cut(masking):
    raising = f"raise OSError({LEAKS})"
    plugin = await masking.started(
        f"def ask(self):\n    {raising}\ndef activate(self):\n    {raising}\ndef cleanup(self):\n    {raising}"
    )
    with pytest.raises(ExecutionFailedError) as asked:
        await plugin.execute("ask", None, 5)
    with pytest.raises(ActivateFailedError) as activated:
        await plugin.activate()
    told = [str(asked.value), str(activated.value), await plugin.stop()]
    assert [text for text in told if "xxx" not in text or "sec" in text] == []


@pytest.mark.parametrize("where", ["initialize", "__init__"])
async def test_what_a_start_raises_is_masked_before_it_is_cut(masking, where):
    with pytest.raises(PluginFailedError) as started:
        await masking.started(f"def {where}(self, *_):\n    raise OSError({LEAKS})")
    assert "xxx" in started.value.cause
    assert "sec" not in started.value.cause


async def test_cancellation_that_the_plugin_raises_itself_is_its_failure(anywhere):
    plugin = await anywhere.started(
        "async def ask(self):\n    raise asyncio.CancelledError('mine')", head="import asyncio\n"
    )
    with pytest.raises(ExecutionFailedError, match="CancelledError"):
        await plugin.execute("ask", None, 5)
    await plugin.stop()


async def test_plain_method_that_returns_a_coroutine_is_awaited(anywhere):
    plugin = await anywhere.started(
        "async def work(self):\n    return 1\ndef ask(self):\n    return self.work()"
    )
    assert await plugin.execute("ask", None, 5) == 1
    await plugin.stop()


async def test_overdue_plain_call_is_abandoned_and_counted_while_it_runs(plugins, hang):
    plugin = await plugins.started(f"def ask(self):\n    return {hang.code}")
    with pytest.raises(ExecutionTimedOutError, match=r"did not return within 0\.5 s"):
        await plugin.execute("ask", None, 0.5)
    assert plugin.abandoned_threads == 1
    hang.gate.opened.set()
    while plugin.abandoned_threads:
        await asyncio.sleep(0.001)
    await plugin.stop()


async def test_overdue_coroutine_is_cancelled(plugins, hang):
    body = f"""
        cancelled = False
        async def ask(self):
            try:
                {hang.code_async}
            except BaseException:
                self.cancelled = True
                raise
        def was_cancelled(self):
            return self.cancelled
    """
    plugin = await plugins.started(body)
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("ask", None, 0.05)
    await asyncio.sleep(0)
    assert await plugin.execute("was_cancelled", None, 5) is True
    assert plugin.abandoned_threads == 0
    await plugin.stop()


async def test_coroutine_that_swallows_its_cancellation_holds_nobody_up(plugins, hang):
    body = f"async def ask(self):\n    try:\n        {hang.code_async}\n    except BaseException:\n        {hang.code_async}"
    plugin = await plugins.started(body)
    with pytest.raises(ExecutionTimedOutError):
        await plugin.execute("ask", None, 0.05)
    await plugin.stop()
    hang.gate.opened.set()
    while not hang.gate.passed.is_set():
        await asyncio.sleep(0.001)


async def test_caller_that_goes_away_leaves_the_call_counted(plugins, hang):
    plugin = await plugins.started(f"def ask(self):\n    return {hang.code}")
    task = asyncio.create_task(plugin.execute("ask", None, 60))
    assert await asyncio.to_thread(hang.gate.reached.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert plugin.abandoned_threads == 1
    await plugin.stop()


@KINDS
async def test_execute_lets_the_plugin_know_its_deadline(anywhere, kind):
    plugin = await anywhere.started(
        f"{kind} ask(self):\n    return [self.context.deadline_left, self.context.hook, bool(self.context.request_id)]"
    )
    left, hook, named = await plugin.execute("ask", None, 5)
    assert 0 < left <= 5
    assert (hook, named) == (None, True)
    assert current_call.get() is None
    await plugin.stop()


async def test_current_call_of_the_caller_reaches_the_plugin(anywhere):
    class Call:
        request_id, hook, deadline, chain, context = "r-1", "", 1e12, ("p",), {"tenant": 7}

    plugin = await anywhere.started(
        "def ask(self):\n    return [self.context.request_id, self.context.call_context['tenant']]"
    )
    token = current_call.set(Call())
    try:
        assert await plugin.execute("ask", None, 5) == ["r-1", 7]
    finally:
        current_call.reset(token)
    await plugin.stop()


async def test_context_variables_of_the_caller_reach_plain_methods(plugins):
    variable = contextvars.ContextVar("variable")
    variable.set("seen")
    plugin = await plugins.started(
        "def ask(self):\n    import contextvars\n    return [v.name for v in contextvars.copy_context()].count('variable')"
    )
    assert await plugin.execute("ask", None, 5) == 1
    await plugin.stop()


async def test_plain_methods_run_in_other_threads_and_coroutines_in_the_loops(plugins):
    head = "import threading\n"
    plugin = await plugins.started(
        "def plain(self):\n    return threading.get_ident()\nasync def on_loop(self):\n    return threading.get_ident()",
        head=head,
    )
    assert await plugin.execute("plain", None, 5) != threading.get_ident()
    assert await plugin.execute("on_loop", None, 5) == threading.get_ident()
    await plugin.stop()
