"""The lists that people read first are whole and in order: glossary, decision records, the map of rooms."""

import re

from support.commands import ROOT

ROOMS = ROOT / "packages" / "server" / "src" / "isp_plugins"


def test_glossary_is_in_order_and_says_each_word_once() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.MULTILINE)
    words = [row.casefold() for row in rows[2:]]
    assert rows[:2] == ["word", "---"]
    assert words == sorted(set(words))


def test_every_decision_is_listed_once_in_the_order_of_numbers_and_by_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+\.md)\) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    files = sorted(folder.glob("[0-9]*.md"))
    assert [name for _, _, name in listed] == [file.name for file in files]
    for (number, title, name), file in zip(listed, files, strict=True):
        assert int(name[:4]) == int(number)
        assert file.read_text("utf-8").startswith(f"# {number}. {title}\n")


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    rooms = [path.name for path in ROOMS.iterdir() if (path / "__init__.py").is_file()]
    assert sorted(listed) == sorted(rooms)
