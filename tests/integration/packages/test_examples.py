"""The example plugins are distributions that can be installed, and say the same in both of their descriptions."""

import json
import subprocess

import pytest

from isp_plugin_sdk.manifest import mistakes_in, read
from isp_plugins.lifecycle.drafts import PluginDraft
from support.commands import ROOT
from support.sources import folder
from support.wheels import repacked_with_needs

EXAMPLES = sorted(path.parent for path in (ROOT / "examples" / "plugins").glob("*/pyproject.toml"))
"""Those in Python; what is a command in another language has no distribution and no module on the plugin path."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """What the examples and their builds need, packed again from what is installed here."""
    return repacked_with_needs(["hatchling", "jinja2", "httpx"], tmp_path_factory.mktemp("wheels"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_manifest_says_what_the_registration_says(example):
    text = (example / "plugin.toml").read_text("utf-8")
    assert mistakes_in(text) == []
    said = read(text).registration()
    registered = {"placement": "per-node"} | json.loads((example / "plugin.json").read_text("utf-8"))
    # In a wheel the package stands alone, and what it needs of Python stands in pyproject.toml.
    registered["module_path"] = registered["module_path"].removeprefix("plugins.")
    needs = [need for need in registered.pop("dependencies", []) if need["kind"] == "plugin"]
    assert said.pop("dependencies") == needs
    assert said == registered
    PluginDraft.of(read(text).registration())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
async def test_example_is_built_and_installed_from_its_folder(example, wheels, make_installer):
    installer = make_installer(package_find_links=str(wheels), package_offline="yes")
    installed = await installer.install(folder(example))
    assert installed.manifest.name == example.name
    assert not (installed.artifact.code / example.name / "tests").exists()
    setup = f"import sys; sys.path.insert(0, {str(installed.artifact.code)!r})\n"
    code = f"import {example.name} as m; print(m.{installed.manifest.class_name}.__name__)"
    python = installed.program.argv[0]
    done = subprocess.run([python, "-I", "-c", setup + code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == installed.manifest.class_name, done.stderr


def test_every_example_is_a_distribution():
    assert [path.name for path in EXAMPLES] == sorted(
        path.parent.name for path in (ROOT / "examples" / "plugins").glob("*/plugin.json")
    )
