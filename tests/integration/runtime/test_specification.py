"""The specification's own plugin, as it stands there, registered as it says there."""

import ast
import inspect
import re
import sys

import pytest


@pytest.fixture
def blocks(pytestconfig):
    """The Python blocks of the specification."""
    text = (pytestconfig.rootpath / "docs" / "specification.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


async def test_the_specifications_plugin_runs_unchanged(anywhere, blocks):
    registration = ast.literal_eval(blocks[1].partition("=")[2].strip())
    anywhere.write("plugins/my_custom_plugin.py", blocks[0])
    names = {key: registration[key] for key in ("module_path", "entry_point")}
    plugin = await anywhere.start(**names, plugin_name=registration["name"], config={"my_setting": "mine"})
    assert await plugin.execute("process_customer_event", {"id": 5}, 5) == {
        "processed": True,
        "customer_id": 5,
    }
    answer = plugin.callee("process_customer_event").call({"id": 6})
    answer = await answer if inspect.isawaitable(answer) else answer
    assert answer["customer_id"] == 6
    assert (await plugin.info())["name"] == "My Custom Plugin"
    assert (await plugin.health(5))["status"] == "healthy"
    assert await plugin.stop() is None


@pytest.mark.parametrize("name", ["EmailNotificationPlugin", "PaymentGatewayPlugin"])
async def test_the_specifications_short_examples_run(anywhere, blocks, name):
    source = next(block for block in blocks if f"class {name}" in block)
    head = "from app.services.plugin_service import PluginInterface\nfrom typing import Any, Dict\n"
    anywhere.write("plugins/sample.py", head + source)
    plugin = await anywhere.start(entry_point=name)
    assert (await plugin.health(5))["status"] == "healthy"
    assert await plugin.stop() is None
    assert "plugins" not in sys.modules
