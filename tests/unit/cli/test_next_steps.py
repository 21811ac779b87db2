"""What to do with a new plugin is read off its files, and safe to paste into a shell."""

import json
from pathlib import Path

import isp_plugin_sdk
from isp_plugins.cli.develop.next_steps import next_steps, registration_of, sdk_folder

VAR = Path("var")


def files(**registration):
    """The files of a plugin with this registration."""
    body = {"name": "acme", "module_path": "plugins.acme", "config_schema": {}} | registration
    return {"plugin.json": json.dumps(body), "acme/__init__.py": ""}


def test_steps_lead_from_the_folder_to_the_running_plugin():
    assert next_steps(files() | {"test.sh": ""}, Path("made"), VAR) == [
        "sh made/test.sh",
        "mkdir -p var/plugins && cp -r made/acme var/plugins/",
        "isp-plugins register @made/plugin.json",
        "isp-plugins enable acme",
    ]


def test_sdk_of_a_clone_is_named_to_the_tests():
    steps = next_steps(files() | {"test.sh": ""}, Path("made"), VAR, sdk=Path("/clone/my sdk"))
    assert steps[0] == "ISP_PLUGIN_SDK='/clone/my sdk' sh made/test.sh"


def test_sdk_folder_is_the_one_that_is_installed():
    assert sdk_folder() == Path(isp_plugin_sdk.__file__).parents[2]


def test_required_settings_are_named_in_both_forms_of_a_schema():
    short = {"url": {"type": "string", "required": True}, "port": {"type": "integer"}}
    full = {"type": "object", "properties": {"url": {}}, "required": ["url"]}
    for schema in (short, full):
        steps = next_steps(files(config_schema=schema), Path("made"), VAR)
        assert "isp-plugins config set acme url=..." in steps


def test_spaces_and_shell_characters_are_quoted():
    steps = next_steps(files(), Path("my plugins/$(x)"), VAR)
    assert "isp-plugins register @'my plugins/$(x)/plugin.json'" in steps


def test_name_that_is_none_is_not_believed():
    for name in ("../x", "a; rm -rf x", "", 7, None, "/etc"):
        assert registration_of(files(name=name)) == {}
        assert next_steps(files(name=name), Path("made"), VAR) == []


def test_files_without_a_registration_have_no_steps():
    assert next_steps({"a": ""}, Path("made"), VAR) == []
    assert next_steps({"plugin.json": "["}, Path("made"), VAR) == []
