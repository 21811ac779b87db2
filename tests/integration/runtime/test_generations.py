"""Two loads of one plugin side by side, and what remains of one that was stopped."""

import gc
import os
import weakref

import pytest

from isp_plugins.contracts.runtime import Restartable
from isp_plugins.runtime.errors import InitializeFailedError, PluginFailedError, PluginStoppedError

VERSIONED = "def version(self):\n    return {!r}"


async def test_two_generations_live_side_by_side(plugins):
    plugins.write("plugins/shared.py", "value = 1\n")
    head = "from plugins import shared\n"
    old = await plugins.started(
        "def ask(self):\n    import plugins.shared as late\n    return [shared.value, late.value]", head=head
    )
    plugins.write("plugins/shared.py", "value = 2\n")
    new = await plugins.start()
    assert (await old.execute("ask", None, 5), await new.execute("ask", None, 5)) == ([1, 1], [2, 2])
    await old.stop()
    assert await new.execute("ask", None, 5) == [2, 2]
    await new.stop()


async def test_change_within_the_same_second_and_of_the_same_size_runs_new_code(plugins):
    file = plugins.plugin(VERSIONED.format("one"))
    os.utime(file, (1_000_000, 1_000_000))
    old = await plugins.start()
    plugins.plugin(VERSIONED.format("two"))
    os.utime(file, (1_000_000, 1_000_000))
    new = await plugins.start()
    assert (await old.execute("version", None, 5), await new.execute("version", None, 5)) == ("one", "two")
    await old.stop()
    await new.stop()


async def test_stale_bytecode_beside_the_file_is_not_run(plugins):
    import py_compile

    file = plugins.plugin(VERSIONED.format("one"))
    os.utime(file, (1_000_000, 1_000_000))
    py_compile.compile(str(file), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    plugins.plugin(VERSIONED.format("two"))
    os.utime(file, (1_000_000, 1_000_000))
    plugin = await plugins.start()
    assert await plugin.execute("version", None, 5) == "two"
    await plugin.stop()


async def test_traceback_after_a_reload_quotes_the_new_text(plugins):
    for word in ("one", "two"):
        file = plugins.plugin(f"def fail(self):\n    raise ValueError({word!r})")
        os.utime(file, (1_000_000, 1_000_000))
        plugin = await plugins.start()
        with pytest.raises(PluginFailedError) as caught:
            await plugin.execute("fail", None, 5)
        assert f"raise ValueError('{word}')" in caught.value.traceback
        await plugin.stop()


async def test_new_file_is_seen_at_once(plugins):
    plugin = await plugins.started("def ask(self):\n    from . import later\n    return later.value")
    plugins.write("plugins/later.py", "value = 1\n")
    assert await plugin.execute("ask", None, 5) == 1
    await plugin.stop()


async def test_stopped_plugin_leaves_no_modules(plugins):
    plugins.write("plugins/shared.py", "")
    plugin = await plugins.started("pass", head="from plugins import shared\n")
    assert len(plugins.loaded_modules()) == 4
    await plugin.stop()
    assert plugins.loaded_modules() == []


async def test_class_of_a_stopped_plugin_is_collected(plugins):
    plugin = await plugins.started(
        "async def ask(self):\n    return 1\ndef tell(self, word):\n    return word\ndef fail(self):\n    raise ValueError"
    )
    callee = plugin.callee("tell")
    gone = [weakref.ref(type(callee.call.__self__)), weakref.ref(callee.call.__self__)]
    await plugin.execute("ask", None, 5)
    await plugin.execute("tell", ["x"], 5)
    with pytest.raises(PluginFailedError):
        await plugin.execute("fail", None, 5)
    await plugin.health(5)
    await plugin.stop()
    del plugin, callee
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


async def test_class_of_a_failed_plugin_is_collected(plugins):
    plugins.write("collected.py", "")
    head = "import weakref\nfrom support import gates\n"
    plugins.plugin(
        "def initialize(self):\n    gates.last = weakref.ref(type(self))\n    return False", head=head
    )
    with pytest.raises(InitializeFailedError):
        await plugins.start()
    from support import gates

    gc.collect()
    assert gates.last() is None


async def test_stopped_plugin_says_so(plugins):
    plugin = await plugins.started("def ask(self):\n    return 1")
    await plugin.stop()
    with pytest.raises(PluginStoppedError, match="sample has been stopped"):
        await plugin.execute("ask", None, 5)
    with pytest.raises(PluginStoppedError):
        plugin.callee("ask")


async def test_plugin_comes_back_with_the_code_it_was_loaded_from(plugins):
    plugins.write("plugins/shared.py", "value = 1\n")
    body = "def ask(self):\n    from plugins import shared\n    return [shared.value, self.config['a'], __name__]"
    plugin = await plugins.started(body, config={"a": 5})
    before = await plugin.execute("ask", None, 5)
    assert isinstance(plugin, Restartable)
    await plugin.stop()
    plugins.write("plugins/shared.py", "value = 2\n")
    plugins.write("plugins/sample.py", "raise AssertionError('it ran')")
    again = await plugin.restart()
    assert await again.execute("ask", None, 5) == before
    assert await again.stop() is None
    assert plugins.loaded_modules() == []


async def test_plugin_comes_back_with_its_last_configuration(plugins):
    plugin = await plugins.started(
        "def configure(self, config):\n    pass\ndef ask(self):\n    return self.config", config={"a": 1}
    )
    await plugin.configure({"a": 2})
    await plugin.stop()
    again = await plugin.restart()
    assert await again.execute("ask", None, 5) == {"a": 2}
    await again.stop()


async def test_plugin_that_cannot_come_back_leaves_nothing(plugins):
    plugin = await plugins.started(
        "runs = []\ndef initialize(self):\n    self.runs.append(1)\n    return len(self.runs) == 1"
    )
    await plugin.stop()
    with pytest.raises(InitializeFailedError):
        await plugin.restart()
    assert plugins.loaded_modules() == []
