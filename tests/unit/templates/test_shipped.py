"""What ships: one template for each hook kind and three for whole plugins, each complete and documented."""

import json

import pytest

from isp_plugin_sdk.schema import mistakes_in
from isp_plugins.api.schemas.plugins import PluginIn
from isp_plugins.templates.checking import check
from isp_plugins.templates.engine import render
from isp_plugins.templates.shipped import shipped

NAMES = ["action", "authentication_provider", "event", "filter", "network_poller", "payment_gateway"]
EXPECTED = {
    "README.md",
    "CHANGELOG.md",
    "plugin.json",
    "pyproject.toml",
    "test.sh",
    ".github/workflows/test.yml",
    ".gitignore",
}


def test_six_templates_ship():
    assert list(shipped()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_shipped_template_keeps_the_rules_for_all(name):
    assert check(shipped()[name]) is None


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_described_and_has_a_default(name):
    assert all(variable.description and not variable.required for variable in shipped()[name].variables)


@pytest.mark.parametrize("name", NAMES)
def test_rendered_plugin_is_complete(name):
    files = render(shipped()[name], {"name": "acme"})
    assert {*EXPECTED, "acme/__init__.py", "acme/plugin.py", "tests/test_plugin.py"} <= set(files)


@pytest.mark.parametrize("name", NAMES)
def test_registration_is_one_that_the_api_takes(name):
    body = json.loads(render(shipped()[name], {})["plugin.json"])
    draft = PluginIn.model_validate(body)
    assert mistakes_in(body["config_schema"]) == []
    assert draft.plugin_type == shipped()[name].plugin_type
    assert draft.module_path == f"plugins.{draft.name}"


@pytest.mark.parametrize("name", NAMES)
def test_readme_names_every_setting_and_hook(name):
    files = render(shipped()[name], {})
    body = json.loads(files["plugin.json"])
    wanted = [*body["config_schema"], *(hook["hook_name"] for hook in body["hooks"])]
    assert [word for word in wanted if f"`{word}`" not in files["README.md"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_class_comes_by_the_specifications_import(name):
    plugin = render(shipped()[name], {})[f"{render_name(name)}/plugin.py"]
    assert "from app.services.plugin_service import PluginInterface" in plugin
    for method in ("initialize", "cleanup", "health_check"):
        assert f"def {method}(self)" in plugin


def render_name(name):
    """The plugin's name by default."""
    return json.loads(render(shipped()[name], {})["plugin.json"])["name"]
