"""The package that docs/authors.md shows is built, installed and imported as it is printed."""

import re
import subprocess

import pytest

from isp_plugin_sdk.manifest.tables import MANIFEST
from isp_plugins.lifecycle.drafts import PluginDraft
from support.commands import ROOT
from support.sources import folder
from support.wheels import repacked_with_needs

SECTION = re.search(
    r"## Package a plugin\n(.*?)\n## ", (ROOT / "docs" / "authors.md").read_text("utf-8"), re.DOTALL
).group(1)


@pytest.fixture
def greeter(tmp_path):
    """The folder of the page."""
    pyproject, manifest = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    place = tmp_path / "greeter"
    (place / "greeter").mkdir(parents=True)
    (place / "pyproject.toml").write_text(pyproject)
    (place / "greeter" / "__init__.py").write_text("")
    (place / "greeter" / "plugin.py").write_text(code)
    (place / "greeter" / "plugin.toml").write_text(manifest)
    return place


async def test_package_of_the_page_works(greeter, make_installer, tmp_path):
    wheels = repacked_with_needs(["hatchling", "jinja2"], tmp_path / "wheels")
    installer = make_installer(
        package_find_links=str(wheels), package_offline="yes", check=lambda body: PluginDraft.of(body) and []
    )
    installed = await installer.install(folder(greeter))
    code = f"""
import sys
sys.path.insert(0, {str(installed.artifact.code)!r})
from isp_plugin_sdk.testing import PluginHarness
from greeter.plugin import Greeter
with PluginHarness(Greeter, config={{"greeting": "Hello"}}) as harness:
    print(harness.action("greet", {{"id": 7, "name": "Ada"}})["text"])
"""
    done = subprocess.run(
        [installed.program.argv[0], "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "Hello, Ada!", done.stderr


def test_table_of_the_page_names_every_key():
    rows = [row.split("|")[1] for row in SECTION.splitlines() if row.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert named == set(MANIFEST.fields)
