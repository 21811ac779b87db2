"""A number that JSON does not have is refused in both directions, with its place, whichever codec the worker has."""

import math
from dataclasses import replace

import pytest

from isp_plugin_sdk.errors import NotJsonError
from isp_plugins.runtime.errors import PluginFailedError
from isp_plugins.runtime.worker.module_program import module_program

BODY = """
def odd(self, payload):
    return {"price": [1.5, float(payload)]}
def same(self, payload):
    return payload
def keep(self, payload):
    try:
        self.context.set("price", {"net": float(payload)})
    except TypeError as error:
        return f"{type(error).__name__}: {error}"
def ask(self, payload):
    try:
        return self.context.dispatch("reprice", 1)["value"]
    except TypeError as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.fixture(params=["orjson", "json"])
async def plugin(request, workers):
    """A plugin whose worker has this codec."""
    workers.plugin(BODY)
    program = module_program("plugins.sample", "Plugin", folders=[workers.folder])
    if request.param == "json":
        at = program.argv.index("--path")
        program = replace(program, argv=(*program.argv[:at], "--standard-json", *program.argv[at:]))
    started = await workers.start(program=program)
    yield started
    await started.stop()


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
async def test_result_of_a_dispatched_call_is_refused_with_its_place(plugin, number):
    with pytest.raises(PluginFailedError, match=rf"price\.1: expected a finite number, got {number}"):
        await plugin.callee("odd").call(number)


@pytest.mark.parametrize("number", [math.nan, math.inf])
async def test_payload_is_refused_with_its_place_before_it_is_sent(plugin, number):
    with pytest.raises(NotJsonError, match=r"payload\.price: expected a finite number"):
        await plugin.callee("same").call({"name": None, "price": number})
    assert await plugin.callee("same").call({"name": None, "price": 1.5}) == {"name": None, "price": 1.5}


async def test_value_that_the_plugin_hands_to_the_host_is_refused_with_its_place(plugin):
    words = await plugin.callee("keep").call("nan")
    assert words.startswith("NotJsonError")
    assert "net: expected a finite number, got nan" in words


async def test_answer_of_the_host_is_refused_with_its_place(plugin, workers):
    async def dispatch(hook, payload, context):
        return {"value": {"net": math.nan}}

    workers.host.dispatch = dispatch
    words = await plugin.callee("ask").call(None)
    assert words.startswith("NotJsonError")
    assert "value.net: expected a finite number, got nan" in words
