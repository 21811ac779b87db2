"""What the SDK's README shows runs as it stands."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugin_sdk.schema import mistakes_in

README = Path(__file__).parents[2] / "packages" / "sdk" / "README.md"


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the README's blocks define, run in order."""
    names: dict[str, Any] = {"__name__": "readme"}
    for code in re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(code, "README.md", "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize("name", ["test_customer_on_the_deny_list_is_rejected", "test_customers_are_counted"])
def test_shown_test_passes(shown: dict[str, Any], name: str) -> None:
    check_as_shown: Callable[[], None] = shown[name]
    check_as_shown()


def test_shown_schema_has_no_mistakes(shown: dict[str, Any]) -> None:
    assert mistakes_in(shown["config_schema"]) == []
