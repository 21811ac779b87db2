"""Text of plugins and customers drives no terminal, and passes for no line of ours."""

import pytest

from isp_plugins.plain_text import inset, one_line, visible


def test_lines_tabs_and_every_script_stay() -> None:
    assert visible("one\n\ttwo é 漢 🙂") == "one\n\ttwo é 漢 🙂"


@pytest.mark.parametrize(
    ("attack", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb", r"a\rb"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202elive", r"\u202elive"),
        ("\0", r"\x00"),
    ],
)
def test_control_characters_are_spelt_out(attack: str, shown: str) -> None:
    assert visible(attack) == shown


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_nothing_begins_another_line(end: str) -> None:
    assert len(one_line(f"harmless{end}2030-01-01 CRITICAL isp_plugins: forged").splitlines()) == 1


def test_every_line_is_set_in() -> None:
    assert inset("Traceback\n2030-01-01 forged") == "    Traceback\n    2030-01-01 forged"
