"""The guides' Python examples run as they are printed."""

import ast
import re
import subprocess
import sys

import pytest

from support.commands import ROOT, clean_environment

GUIDES = ("authors.md", "embedding.md")
EXAMPLES = [
    pytest.param(text, id=f"{guide}-{number}")
    for guide in GUIDES
    for number, text in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / "docs" / guide).read_text(), re.DOTALL)
    )
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_example_runs(text, tmp_path):
    author_example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "authors.md").read_text(), re.DOTALL)
    (tmp_path / "my_plugin.py").write_text(author_example.group(1))
    tests = [
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    (tmp_path / "example.py").write_text(text + "".join(f"\n{name}()\n" for name in tests))
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
