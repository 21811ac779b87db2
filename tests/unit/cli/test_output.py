"""Tables for people, plain in a pipe."""

import pytest
import typer

from isp_plugins.cli.output import fail, record, say, show_json, size_in_words, table, warn
from isp_plugins.plain_text import visible

COLUMNS = (("NAME", "name"), ("DEEP", "a.b"), ("LONG", lambda row: row["name"] * 200))


def test_table_in_a_pipe_is_never_cut(capsys):
    table([{"name": "x", "a": {"b": 1}}], COLUMNS, empty="none")
    assert "x" * 200 in capsys.readouterr().out


def test_table_in_a_pipe_has_no_colours(capsys):
    table([{"name": "active"}], (("STATE", "name"),), empty="none")
    assert "\x1b" not in capsys.readouterr().out


def test_empty_table_says_what_to_do(capsys):
    table([], COLUMNS, empty="Nothing yet. Make one.")
    assert capsys.readouterr().out == "Nothing yet. Make one.\n"


def test_markup_in_values_is_shown_as_it_is(capsys):
    table([{"name": "[red]x[/]"}], (("NAME", "name"),), empty="none")
    assert "[red]x[/]" in capsys.readouterr().out


@pytest.mark.parametrize("attack", ["\x1b[2J", "\x1b]52;c;cm0gLXJm\x07", "\x9b31m", "ok\rno", "\u202elive"])
@pytest.mark.parametrize(
    "show",
    [
        say,
        warn,
        lambda text: table([{"name": text}], (("NAME", "name"),), empty="none"),
        lambda text: record({"name": text}, (("NAME", "name"),)),
    ],
)
def test_what_a_plugin_wrote_drives_no_terminal(capsys, attack, show):
    show(f"before {attack} after")
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert set(attack) & set("\x1b\x07\x9b\r\u202e")
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e")
    assert visible(f"before {attack} after") in shown


def test_record_leaves_empty_fields_out(capsys):
    record({"a": 1, "b": None}, (("a", "a"), ("b", "b")))
    assert "b" not in capsys.readouterr().out


def test_json_is_unchanged(capsys):
    show_json({"name": "é"})
    assert capsys.readouterr().out == '{\n  "name": "é"\n}\n'


def test_failure_goes_to_standard_error_with_its_mistakes(capsys):
    with pytest.raises(typer.Exit):
        fail("No", detail="because", mistakes=[{"path": ["a", 0], "message": "wrong"}])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a.0: wrong" in captured.err


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "0.999 KiB"), (2048, "2 KiB"), (5 << 20, "5 MiB"), (3 << 30, "3 GiB")],
)
def test_size_is_told_in_a_unit_that_people_read(count, words):
    assert size_in_words(count) == words
