"""The private world of each load: its own modules, absolute and relative, early and late."""

import asyncio
import sys
import threading

import pytest

from isp_plugins.runtime.errors import LoadTimedOutError, PluginImportError

ASK = "def ask(self):\n    return {}"


async def answer(plugins, expression, *, head="", **request):
    """What an expression of the plugin's method gives."""
    plugin = await plugins.started(ASK.format(expression), head=head, **request)
    try:
        return await plugin.execute("ask", None, 10)
    finally:
        await plugin.stop()


@pytest.mark.parametrize(
    "statement",
    [
        "from . import shared",
        "from .shared import value; shared = None",
        "import plugins.shared; shared = plugins.shared",
        "import plugins.shared as shared",
        "from plugins import shared",
        "from plugins.shared import value; shared = None",
        "from plugins.shared import *; shared = None",
    ],
)
async def test_own_module_is_found_however_it_is_imported(plugins, statement):
    plugins.write("plugins/shared.py", "value = 'mine'\n")
    assert await answer(plugins, "getattr(shared, 'value', None) or value", head=f"{statement}\n") == "mine"


async def test_absolute_and_relative_import_give_the_same_module(plugins):
    plugins.write("plugins/shared.py", "")
    head = "from . import shared as one\nimport plugins.shared as two\n"
    assert await answer(plugins, "one is two", head=head) is True


async def test_imports_inside_of_methods_reach_the_same_load(plugins):
    plugins.write("plugins/shared.py", "")
    plugin = await plugins.started(
        "def ask(self):\n    import plugins.shared\n    return plugins.shared is shared",
        head="from . import shared\n",
    )
    assert await plugin.execute("ask", None, 5) is True
    await plugin.stop()


async def test_imports_of_a_coroutine_and_of_a_thread_of_its_own_reach_the_same_load(plugins):
    plugins.write("plugins/shared.py", "")
    body = """
        def initialize(self):
            self.found = []
            thread = threading.Thread(target=self.look)
            thread.start()
            thread.join()
            return True
        def look(self):
            from plugins import shared
            self.found.append(shared.__name__)
        async def ask(self):
            from plugins import shared
            return [shared.__name__, *self.found]
    """
    plugin = await plugins.started(body, head="import threading\n")
    first, second = await plugin.execute("ask", None, 5)
    assert first == second == f"isp_plugin_{plugins.id}_1.plugins.shared"
    await plugin.stop()


async def test_package_with_submodules_and_a_module_path_into_it(plugins):
    plugins.write("plugins/__init__.py", "level = 'outer'\n")
    plugins.write("plugins/mail/__init__.py", "from .. import level\nfrom .main import Plugin\n")
    plugins.write("plugins/mail/text.py", "from plugins import level\nfrom plugins.mail import main\n")
    plugins.plugin(
        "def ask(self):\n    from . import text\n    return text.level + text.main.__name__.rpartition('.')[2]",
        path="plugins/mail/main.py",
    )
    for module_path in ("plugins.mail", "plugins.mail.main"):
        plugin = await plugins.start(module_path=module_path)
        assert await plugin.execute("ask", None, 5) == "outermain"
        await plugin.stop()


async def test_module_beside_a_top_level_plugin_is_its_own(plugins):
    plugins.write("helper.py", "value = 1\n")
    plugins.plugin(
        "def ask(self):\n    return [helper.value, helper.__name__]", path="solo.py", head="import helper\n"
    )
    plugin = await plugins.start(module_path="solo")
    assert await plugin.execute("ask", None, 5) == [1, f"isp_plugin_{plugins.id}_1.helper"]
    await plugin.stop()
    assert "helper" not in sys.modules


async def test_plain_folder_that_nobody_else_answers_for_is_its_own(plugins):
    plugins.write("libraries/tool.py", "value = 1\n")
    assert await answer(plugins, "tool.value", head="from libraries import tool\n") == 1


async def test_plugin_path_does_not_hide_the_standard_library(plugins):
    plugins.write("json.py", "raise AssertionError('it ran')\n")
    plugins.write("email/__init__.py", "raise AssertionError('it ran')\n")
    assert await answer(plugins, "json.loads('1') + len(email.__name__)", head="import json, email\n") == 6


async def test_plain_folder_does_not_hide_an_installed_package(plugins):
    (plugins.folder / "pydantic").mkdir()
    assert await answer(plugins, "pydantic.__name__", head="import pydantic\n") == "pydantic"


async def test_linked_folder_of_the_data_directory_does_not_disturb_an_installed_package(
    plugins, tmp_path_factory
):
    (plugins.folder / "pydantic").symlink_to(tmp_path_factory.mktemp("outside"))
    assert await answer(plugins, "pydantic.__name__", head="import pydantic\n") == "pydantic"


async def test_missing_own_module_is_named_without_the_private_root(plugins):
    plugins.plugin("pass", head="from plugins.absent import x\n")
    with pytest.raises(PluginImportError, match=r"No module named 'plugins\.absent'"):
        await plugins.start()


async def test_import_around_the_statement_gets_a_message(plugins):
    plugins.write("plugins/shared.py", "")
    plugins.plugin("pass", head="import importlib\nimportlib.import_module('plugins.shared')\n")
    with pytest.raises(PluginImportError, match=r"import relatively, as in importlib\.import_module"):
        await plugins.start()


async def test_relative_import_module_works(plugins):
    plugins.write("plugins/shared.py", "value = 3\n")
    head = "import importlib\nshared = importlib.import_module('.shared', __package__)\n"
    assert await answer(plugins, "shared.value", head=head) == 3


async def test_optional_import_falls_back_as_ever(plugins):
    head = "try:\n    import surely_not_installed as found\nexcept ImportError:\n    found = 'nothing'\n"
    assert await answer(plugins, "found", head=head) == "nothing"


async def test_broken_installed_import_is_not_taken_for_an_own_module(plugins):
    plugins.write("libraries/__init__.py", "import surely_not_installed\n")
    plugins.plugin("pass", head="import libraries\n")
    with pytest.raises(PluginImportError, match=r"'surely_not_installed' \(libraries/__init__\.py:1\)"):
        await plugins.start()


async def test_plugin_files_are_not_littered_with_bytecode(plugins):
    plugins.write("plugins/shared.py", "")
    await answer(plugins, "1", head="from . import shared\n")
    assert not list(plugins.folder.rglob("__pycache__"))


async def test_data_files_of_a_package_can_be_read(plugins):
    plugins.write("plugins/sample/template.txt", "hello")
    plugins.plugin(
        "def ask(self):\n    return resources.files(__package__).joinpath('template.txt').read_text()",
        path="plugins/sample/__init__.py",
        head="from importlib import resources\n",
    )
    plugin = await plugins.start()
    assert await plugin.execute("ask", None, 5) == "hello"
    await plugin.stop()


async def test_dataclasses_and_type_hints_of_a_plugin_resolve(plugins):
    head = """
        from __future__ import annotations
        import dataclasses, typing

        @dataclasses.dataclass
        class Row:
            other: Row | None = None
    """
    assert (
        await answer(
            plugins, "str(typing.get_type_hints(Row)['other']).endswith('Row | None') or True", head=head
        )
        is True
    )


async def test_import_that_hangs_blocks_nobody(plugins, hang):
    plugins.write("plugins/shared.py", "")
    plugins.plugin(
        "pass", path="plugins/hanging.py", head=f"import json\nfrom . import shared\n{hang.code}\n"
    )
    hanging = asyncio.create_task(plugins.start(module_path="plugins.hanging", load_deadline_s=60))
    assert await asyncio.to_thread(hang.gate.reached.wait, 10)
    plugins.plugin(
        "def ask(self):\n    import string.templatelib if False else string\n    return 1".replace(
            "import string.templatelib if False else string", "import string"
        ),
        head="from . import shared\n",
    )
    started = await asyncio.gather(*(plugins.start(plugin_id=plugins.id + index) for index in range(1, 9)))
    assert [await plugin.execute("ask", None, 5) for plugin in started] == [1] * 8
    for plugin in started:
        await plugin.stop()
    hang.gate.opened.set()
    await (await hanging).stop()


async def test_same_module_hanging_in_one_load_does_not_block_another_load_of_it(plugins, hang):
    plugins.plugin("pass", head=f"{hang.code}\n")
    with pytest.raises(LoadTimedOutError):
        await plugins.start(load_deadline_s=0.05)
    plugins.plugin("pass")
    await (await plugins.start(load_deadline_s=10)).stop()


async def test_many_concurrent_loads_each_get_their_own_modules(plugins):
    plugins.write("plugins/shared.py", "import threading\nstate = []\n")
    plugins.plugin(
        "def ask(self, word):\n    shared.state.append(word)\n    return shared.state",
        head="from plugins import shared\n",
    )
    started = await asyncio.gather(*(plugins.start(plugin_id=plugins.id + index) for index in range(20)))
    answers = await asyncio.gather(
        *(plugin.execute("ask", [index], 10) for index, plugin in enumerate(started))
    )
    assert answers == [[index] for index in range(20)]
    for plugin in started:
        await plugin.stop()


async def test_plugins_run_outside_of_the_loops_thread(plugins):
    assert await answer(plugins, "threading.get_ident()", head="import threading\n") != threading.get_ident()
