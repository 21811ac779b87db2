"""The shared options, and JSON arguments."""

import io
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.session import ask_unseen, command, read_json

app = typer.Typer()


@command(app, "echo")
def echo(session, word: str, times: int = 1) -> None:
    """Repeat a word."""
    session.show(
        {"word": word, "times": times, "url": session.url}, lambda it: typer.echo(it["word"] * it["times"])
    )


@command(app, "named")
def named(session, word: Annotated[str, typer.Argument(help="A word.")]) -> None:
    """Take a word."""


@command(app, "other")
def other(session) -> None:
    """Make the application a group."""


def test_own_and_shared_options_stand_in_any_order():
    result = CliRunner().invoke(app, ["echo", "--json", "a", "--url", "http://127.0.0.1:5", "--times", "2"])
    assert '"url": "http://127.0.0.1:5"' in result.output


def test_a_person_gets_the_sentence():
    assert CliRunner().invoke(app, ["echo", "ab", "--times", "2"]).output == "abab\n"


def test_help_of_a_command_names_the_shared_options():
    assert (
        "--data-dir"
        in CliRunner().invoke(app, ["echo", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    )


def test_json_argument_is_read_from_text():
    assert read_json('{"a": 1}', what="payload") == {"a": 1}


def test_json_argument_is_read_from_a_file(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    assert read_json(f"@{tmp_path / 'x.json'}", what="payload") == [1]


def test_json_argument_is_read_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("7"))
    assert read_json("-", what="payload") == 7


@pytest.mark.parametrize("text", ["{", "@/nowhere/at/all", ""])
def test_what_is_not_json_is_a_usage_error(text, capsys):
    with pytest.raises(typer.Exit) as end:
        read_json(text, what="payload")
    assert end.value.exit_code == Exit.USAGE
    assert "payload" in capsys.readouterr().err


def test_value_that_nobody_can_type_is_a_line_of_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\nmore\n"))
    assert ask_unseen("api_key") == "hunter2"


def test_key_without_a_value_says_how_to_give_one(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(typer.Exit) as end:
        ask_unseen("api_key")
    assert end.value.exit_code == Exit.USAGE
    assert "expected api_key=VALUE" in capsys.readouterr().err


def test_argument_is_shown_in_capitals_as_what_stands_for_a_value():
    help_text = CliRunner().invoke(app, ["named", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "{WORD}" in help_text
