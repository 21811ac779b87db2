"""Every way in which a plugin fails to come up: the cause is readable, and nothing is left behind."""

import pytest

from isp_plugins.errors import ConflictError
from isp_plugins.runtime.errors import (
    ConstructorError,
    EntryPointInvalidError,
    EntryPointMissingError,
    InitializeFailedError,
    LoadTimedOutError,
    ModuleMissingError,
    ModuleOutsideFolderError,
    ModulePathInvalidError,
    NotAPluginError,
    PluginFailedError,
    PluginImportError,
)

HANG_S = 0.5
"""A deadline that a thread on a busy machine comes to its gate within."""


async def assert_fails(plugins, kind, **request):
    """A start raises this kind of error and leaves nothing; the error."""
    with pytest.raises(kind) as caught:
        await plugins.start(**request)
    assert plugins.loaded_modules() == []
    assert isinstance(caught.value, ConflictError)
    assert "\n" not in caught.value.cause
    return caught.value


async def test_module_that_is_not_there_is_named_with_where_it_was_looked_for(anywhere):
    error = await assert_fails(anywhere, ModuleMissingError)
    assert "plugins/sample.py and plugins/sample/__init__.py" in error.cause
    assert str(anywhere.folder) in error.cause


@pytest.mark.parametrize("path", ["json", "os.path", "isp_plugins.errors", "pytest"])
async def test_installed_module_is_never_loaded(anywhere, path):
    await assert_fails(anywhere, ModuleMissingError, module_path=path, entry_point="JSONDecoder")


@pytest.mark.parametrize("path", ["../outside", "..outside", "/etc/passwd", "plugins/sample.py", ""])
async def test_path_of_a_file_is_never_loaded(anywhere, path):
    await assert_fails(anywhere, ModulePathInvalidError, module_path=path)


async def test_link_that_leaves_the_plugin_path_is_refused(anywhere, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "sample.py"
    outside.write_text("raise AssertionError('it ran')")
    (anywhere.folder / "plugins").mkdir()
    (anywhere.folder / "plugins" / "sample.py").symlink_to(outside)
    error = await assert_fails(anywhere, ModuleOutsideFolderError)
    assert str(outside) in error.cause


async def test_link_that_leaves_is_refused_for_a_submodule_as_well(plugins, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "helper.py"
    outside.write_text("raise AssertionError('it ran')")
    plugins.plugin("pass", head="from . import helper\n")
    (plugins.folder / "plugins" / "helper.py").symlink_to(outside)
    assert "which is outside the plugin path" in (await assert_fails(plugins, PluginImportError)).cause


async def test_plain_folder_is_no_module(anywhere):
    (anywhere.folder / "plugins" / "sample").mkdir(parents=True)
    await assert_fails(anywhere, ModuleMissingError)


async def test_bad_entry_point_is_refused(anywhere):
    anywhere.plugin("pass")
    await assert_fails(anywhere, EntryPointInvalidError, entry_point="Plugin.inner")


async def test_exception_at_import_is_told_with_the_plugins_frames_only(anywhere):
    anywhere.plugin("pass", head="def work():\n    return {}['missing']\nwork()\n")
    error = await assert_fails(anywhere, PluginImportError)
    assert "KeyError: 'missing' (plugins/sample.py:2)" in error.cause
    assert error.traceback.count("sample.py") == 2
    assert "importlib" not in error.traceback


async def test_syntax_error_is_told_with_file_and_line(anywhere):
    anywhere.write("plugins/sample.py", "x = 1\nclass Plugin(:\n")
    error = await assert_fails(anywhere, PluginImportError)
    assert "SyntaxError" in error.cause
    assert "plugins/sample.py:2" in error.cause


async def test_file_that_is_not_text_is_told(anywhere):
    anywhere.write("plugins/sample.py", "")
    (anywhere.folder / "plugins" / "sample.py").write_bytes(b"x = '\xff\xfe'\n")
    await assert_fails(anywhere, PluginImportError)


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt", "BaseException", "GeneratorExit"])
@pytest.mark.parametrize("where", ["import", "__init__", "initialize", "async initialize"])
async def test_no_exception_gets_out_of_the_plugin(anywhere, kind, where):
    raising = f"raise {kind}('mine')"
    bodies = {
        "import": "pass",
        "__init__": f"def __init__(self, plugin_id, config):\n    {raising}",
        "initialize": f"def initialize(self):\n    {raising}",
        "async initialize": f"async def initialize(self):\n    {raising}",
    }
    anywhere.plugin(bodies[where], head=raising + "\n" if where == "import" else "")
    error = await assert_fails(anywhere, PluginFailedError)
    assert "mine" in error.cause


async def test_missing_library_is_named(anywhere):
    anywhere.plugin("pass", head="import surely_not_installed\n")
    assert "No module named 'surely_not_installed'" in (await assert_fails(anywhere, PluginImportError)).cause


async def test_missing_entry_point_lists_the_plugin_classes_there_are(anywhere):
    anywhere.plugin("pass")
    error = await assert_fails(anywhere, EntryPointMissingError, entry_point="Plugn")
    assert "its plugin classes are Plugin" in error.cause


async def test_module_without_any_plugin_class_is_told_so(anywhere):
    anywhere.write("plugins/sample.py", "class Other: pass\n")
    assert (
        "no class that extends PluginInterface"
        in (await assert_fails(anywhere, EntryPointMissingError)).cause
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Plugin: pass", "its bases are object"),
        ("def Plugin(plugin_id, config): pass", "it is of type function"),
        ("Plugin = 5", "it is of type int"),
        ("from app.services.plugin_service import PluginInterface as Plugin", "it is PluginInterface itself"),
        (
            "class PluginInterface: pass\nclass Plugin(PluginInterface): pass",
            "a class of its own, from plugins.sample",
        ),
    ],
)
async def test_what_does_not_extend_the_interface_is_no_plugin(anywhere, source, reason):
    anywhere.write("plugins/sample.py", source)
    assert reason in (await assert_fails(anywhere, NotAPluginError)).cause


@pytest.mark.parametrize(
    "signature", ["self", "self, plugin_id", "self, plugin_id, config, more", "self, *, plugin_id, config"]
)
async def test_constructor_of_another_signature_is_refused_before_it_runs(anywhere, signature):
    anywhere.plugin(f"def __init__({signature}):\n    raise AssertionError('it ran')")
    error = await assert_fails(anywhere, ConstructorError)
    assert "its signature is" in error.cause
    assert "def __init__(self, plugin_id, config)" in error.cause


@pytest.mark.parametrize(
    "signature", ["self, number, values", "self, *args", "self, plugin_id, config, more=None"]
)
async def test_constructor_that_takes_the_two_is_accepted(anywhere, signature):
    body = f"def __init__({signature}):\n    super().__init__(1, {{}})"
    plugin = await anywhere.started(body)
    assert await plugin.stop() is None


async def test_forgotten_base_constructor_is_told(anywhere):
    anywhere.plugin("def __init__(self, plugin_id, config):\n    pass")
    assert (
        "does not call super().__init__(plugin_id, config)"
        in (await assert_fails(anywhere, ConstructorError)).cause
    )


async def test_use_of_the_logger_before_the_base_constructor_is_explained(anywhere):
    anywhere.plugin("def __init__(self, plugin_id, config):\n    self.logger.info('hello')")
    error = await assert_fails(anywhere, ConstructorError)
    assert "logger is there once super().__init__(plugin_id, config) was called" in error.cause


async def test_constructor_that_raises_is_told(anywhere):
    anywhere.plugin("def __init__(self, plugin_id, config):\n    config['needed']")
    assert "KeyError: 'needed' (plugins/sample.py:" in (await assert_fails(anywhere, ConstructorError)).cause


async def test_object_of_another_type_is_refused(anywhere):
    anywhere.plugin("def __new__(cls, *args):\n    return 'text'")
    assert "gives an object of type str" in (await assert_fails(anywhere, ConstructorError)).cause


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("False", "it returned False"),
        ("None", "it returned None: expected `return True`"),
        ("1", "of type int, expected True or False"),
        ("'True'", "of type str, expected True or False"),
        ("1 / 0", "ZeroDivisionError: division by zero (plugins/sample.py:"),
    ],
)
async def test_initialize_that_does_not_return_true_is_a_failure(anywhere, kind, result, reason):
    anywhere.plugin(f"{kind} initialize(self):\n    return {result}")
    assert reason in (await assert_fails(anywhere, InitializeFailedError)).cause


async def test_failed_initialize_is_cleaned_up(anywhere, caplog):
    anywhere.plugin(
        "def initialize(self):\n    return False\ndef cleanup(self):\n    self.logger.warning('let go')\n    return True"
    )
    await assert_fails(anywhere, InitializeFailedError)
    assert "let go" in caplog.messages


async def test_failure_of_that_cleanup_does_not_hide_the_cause(anywhere, caplog):
    anywhere.plugin("def initialize(self):\n    return False\ndef cleanup(self):\n    return 1 / 0")
    assert "it returned False" in (await assert_fails(anywhere, InitializeFailedError)).cause
    assert "cleanup failed: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("step", ["being imported", "being constructed"])
async def test_load_that_hangs_is_abandoned_with_the_step_it_is_in(plugins, hang, step):
    body = f"def __init__(self, plugin_id, config):\n    {hang.code}"
    plugins.plugin(
        *["pass"] if step == "being imported" else [body],
        head=f"{hang.code}\n" if step == "being imported" else "",
    )
    error = await assert_fails(plugins, LoadTimedOutError, load_deadline_s=HANG_S)
    assert f"did not finish {step} within {HANG_S:g} s" in error.cause
    assert hang.gate.reached.is_set()
    assert plugins.threads.abandoned[plugins.id] == 1


async def test_load_that_wakes_up_after_it_was_abandoned_goes_no_further(plugins, hang):
    plugins.plugin(
        "def __init__(self, plugin_id, config):\n    raise AssertionError('it ran')",
        head=f"{hang.code}\nfrom . import later\n",
    )
    plugins.write("plugins/later.py", "from support.gates import gate\ngate('later').reached.set()\n")
    await assert_fails(plugins, LoadTimedOutError, load_deadline_s=HANG_S)
    hang.gate.opened.set()
    assert hang.gate.passed.wait(60)
    from support.gates import gate

    assert not gate("later").reached.is_set()
    assert plugins.loaded_modules() == []


async def test_initialize_that_hangs_is_abandoned(plugins, hang):
    plugins.plugin(f"def initialize(self):\n    return {hang.code}")
    error = await assert_fails(plugins, InitializeFailedError, initialize_deadline_s=HANG_S)
    assert f"did not return within {HANG_S:g} s and was abandoned" in error.cause
    assert plugins.threads.abandoned[plugins.id] == 1


async def test_coroutine_initialize_that_hangs_is_cancelled(plugins, hang):
    plugins.plugin(f"async def initialize(self):\n    return {hang.code_async}")
    error = await assert_fails(plugins, InitializeFailedError, initialize_deadline_s=HANG_S)
    assert f"did not return within {HANG_S:g} s" in error.cause
    assert plugins.threads.abandoned[plugins.id] == 0


async def test_plugin_can_be_started_again_after_its_load_hung(plugins, hang):
    plugins.plugin("pass", head=f"{hang.code}\n")
    await assert_fails(plugins, LoadTimedOutError, load_deadline_s=0.05, generation=1)
    plugin = await plugins.started("def hello(self):\n    return 'fine'", generation=1)
    assert await plugin.execute("hello", None, 5) == "fine"
    assert await plugin.stop() is None
