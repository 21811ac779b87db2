"""docs/conditions.md says what is true: its examples compile and have the values it gives; its limits are the code's."""

import json
import re
from pathlib import Path

import pytest

from isp_plugins.hooks.condition import ConditionFailedError, compile_condition
from isp_plugins.hooks.condition.exact import BUDGET
from isp_plugins.hooks.condition.parser import (
    MAX_COMPREHENSIONS,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NESTED_COMPREHENSIONS,
)
from isp_plugins.hooks.condition.values import MAX_JOINED

PAGE = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text()
EXAMPLE = re.compile(r"^\| `(.+)` \| `(\{.*\})` \| (true|false|failed) \|$", re.MULTILINE)
EXAMPLES = [
    (condition.replace(r"\|", "|"), json.loads(payload), value)
    for condition, payload, value in EXAMPLE.findall(PAGE)
]
BLOCKS = [line for block in re.findall(r"```cel\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_the_page_has_examples():
    assert len(EXAMPLES) == PAGE.count("| true |") + PAGE.count("| false |") + PAGE.count("| failed |") > 15
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize(("condition", "payload", "value"), EXAMPLES)
def test_example_has_the_value_given(condition, payload, value):
    try:
        found = str(compile_condition(condition).evaluate(payload)).lower()
    except ConditionFailedError:
        found = "failed"
    assert found == value


@pytest.mark.parametrize("condition", BLOCKS)
def test_block_compiles(condition):
    assert compile_condition(condition)


@pytest.mark.parametrize(
    "limit", [MAX_LENGTH, MAX_DEPTH, MAX_COMPREHENSIONS, MAX_NESTED_COMPREHENSIONS, BUDGET, MAX_JOINED]
)
def test_limit_is_on_the_page(limit):
    assert re.search(rf"\b{limit:,}\b", PAGE.partition("## Limits")[2])
