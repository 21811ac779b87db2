"""A plugin's description: accepted raw, validated, all mistakes at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.vocabulary import LogLevel, PluginType, SubscriptionType
from isp_plugins.lifecycle.errors import PluginDraftInvalidError
from isp_plugins.lifecycle.records import PluginChanges, PluginDraft

RAW: dict[str, Any] = {
    "name": "my_custom_plugin",
    "display_name": "My Custom Plugin",
    "description": "A custom plugin for demonstration",
    "version": "1.0.0",
    "author": "Your Name",
    "plugin_type": "CUSTOM",
    "module_path": "plugins.my_custom_plugin",
    "entry_point": "MyCustomPlugin",
    "config_schema": {
        "my_setting": {"type": "string", "default": "default_value", "description": "My custom setting"}
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda item: st.lists(item) | st.dictionaries(st.text(), item),
)


def mistakes_of(**changes: Any) -> list[str]:
    with pytest.raises(PluginDraftInvalidError) as caught:
        PluginDraft.of(RAW | changes)
    return [mistake["path"] for mistake in caught.value.details]


def test_the_specifications_example_is_accepted() -> None:
    draft = PluginDraft.of(RAW)
    assert (draft.plugin_type, draft.exclusive, draft.trusted_inline, draft.log_level) == (
        PluginType.CUSTOM,
        True,
        False,
        LogLevel.INFO,
    )


def test_display_name_defaults_to_the_name() -> None:
    draft = PluginDraft.of({key: value for key, value in RAW.items() if key != "display_name"})
    assert draft.display_name == "my_custom_plugin"


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes_of(
        name="../etc",
        version="one",
        plugin_type="custom",
        module_path="/etc/passwd",
        entry_point="a b",
        surprise=1,
    )
    assert found == ["surprise", "name", "version", "plugin_type", "module_path", "entry_point"]


def test_missing_fields_are_told() -> None:
    with pytest.raises(PluginDraftInvalidError, match="name: is required"):
        PluginDraft.of({})


@pytest.mark.parametrize("name", ["", "A", "9lives", "a/b", "a b", "a" * 65, "ä", "..", "a\x00", 7, None])
def test_name_that_is_none_is_refused(name: Any) -> None:
    assert mistakes_of(name=name) == ["name"]


@pytest.mark.parametrize("version", ["1.0", "1.0.0", "2026.7", "1.0.0rc1", "1.0.0-beta.2+build.5", "1!2.0"])
def test_version_is_pep_440_or_semantic(version: str) -> None:
    assert PluginDraft.of(RAW | {"version": version}).version == version


@pytest.mark.parametrize(
    "path", ["plugins..x", "plugins/x", ".x", "x.", "a.import", "a.b c", "päckage.x", "a.b:c", ""]
)
def test_module_path_is_dotted(path: str) -> None:
    assert mistakes_of(module_path=path) == ["module_path"]


def test_schema_mistakes_carry_their_path() -> None:
    assert mistakes_of(config_schema={"port": {"type": "nonsense"}})[0].startswith("config_schema.port")


def test_dependency_mistakes_carry_their_path() -> None:
    wrong = [{"kind": "plugin", "name": "base", "specifier": "about 2"}, {"kind": "rpm", "name": "x"}, "base"]
    assert mistakes_of(dependencies=wrong) == [
        "dependencies.0.specifier",
        "dependencies.1.kind",
        "dependencies.2",
    ]


def test_dependency_is_named_once() -> None:
    twice = [{"kind": "plugin", "name": "base"}, {"kind": "plugin", "name": "base", "specifier": ">1"}]
    assert mistakes_of(dependencies=twice) == ["dependencies.1"]


def test_hook_mistakes_carry_their_path() -> None:
    assert mistakes_of(
        hooks=[{"hook_name": "customer_created", "hook_type": "listen", "callback_method": "run"}]
    ) == ["hooks.0.hook_type"]


def test_hooks_become_drafts() -> None:
    draft = PluginDraft.of(
        RAW | {"hooks": [{"hook_name": "customer_created", "hook_type": "action", "callback_method": "run"}]}
    )
    assert draft.hooks[0].hook_type is SubscriptionType.ACTION


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_unstorable_text_is_refused(text: str) -> None:
    assert mistakes_of(description=text) == ["description"]
    assert mistakes_of(config_schema={"key": {"type": "string", "description": text}})[0].startswith(
        "config_schema"
    )


def test_direct_construction_is_validated_too() -> None:
    with pytest.raises(PluginDraftInvalidError):
        PluginDraft(name="../x", version="1", plugin_type=PluginType.CUSTOM, module_path="a", entry_point="B")


def test_changes_take_any_subset_but_no_hooks() -> None:
    assert dict(PluginChanges.of({"log_level": "DEBUG"}).values) == {"log_level": LogLevel.DEBUG}
    with pytest.raises(PluginDraftInvalidError, match="hooks"):
        PluginChanges.of({"hooks": []})


def read(raw: dict[str, Any]) -> str | list[dict[str, Any]]:
    """The name of a description that is accepted, or the mistakes of one that is not."""
    try:
        return PluginDraft.of(raw).name
    except PluginDraftInvalidError as refused:
        return refused.details


@given(st.dictionaries(st.sampled_from([*RAW, "dependencies", "hooks", "exclusive", "log_level", "x"]), JSON))
def test_any_json_is_accepted_or_refused_in_good_order(raw: dict[str, Any]) -> None:
    assert read(raw)
