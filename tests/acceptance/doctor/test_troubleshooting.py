"""docs/troubleshooting.md: every situation of the specification's section is built on a real server, and the doctor answers as the page shows."""

import re

import pytest

from support.commands import ROOT
from support.server import api_server
from support.troubleshooting import PAGE, blocks, build, fits, output_of

BLOCKS = blocks(PAGE.read_text())
HEADINGS = list(dict.fromkeys(block.heading for block in BLOCKS))
SPECIFICATION = (ROOT / "docs" / "specification.md").read_text()


@pytest.fixture(scope="module")
def ill_server(tmp_path_factory):
    """A server in every situation of the page."""
    with api_server(tmp_path_factory.mktemp("ill")) as server:
        build(server)
        yield server


@pytest.mark.parametrize("heading", HEADINGS)
def test_commands_print_what_the_page_shows(heading, ill_server):
    for block in BLOCKS:
        if block.heading == heading:
            found = output_of(ill_server, block.command)
            assert fits(block.expected, found), f"$ {block.command}\n{found}"


def test_every_item_of_the_specification_has_its_answer():
    section = SPECIFICATION.partition("## Troubleshooting")[2].partition("\n## ")[0]
    items = re.findall(r"^\s+- (.+)$", section, re.MULTILINE) + re.findall(
        r"^\d\. \*\*(.+?)\*\*: ", section, re.MULTILINE
    )
    assert len(items) == 4 + 3 + 3 + 4 + 4
    text = PAGE.read_text()
    for item in items:
        assert f"\n### {item}\n" in text, item
        after = text.partition(f"\n### {item}\n")[2].partition("\n### ")[0]
        assert "```console" in after, item
