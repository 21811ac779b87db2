"""Problems: each mistake once, each sentence once."""

import pytest
import typer

from isp_plugins.cli.output import beyond_the_last, fail, sentences


def printed(capsys, **problem):
    with pytest.raises(typer.Exit):
        fail("Refused", **problem)
    return capsys.readouterr().err


def test_mistake_that_is_a_sentence_is_printed(capsys):
    assert "  PORT: too large\n" in printed(capsys, detail="look:", mistakes=["PORT: too large"])


def test_mistake_that_the_detail_tells_is_not_repeated(capsys):
    err = printed(
        capsys, detail="a: is missing; b: is 1", mistakes=["b: is 1", {"path": "a", "message": "is missing"}]
    )
    assert err == "Refused: a: is missing; b: is 1\n"


def test_mistake_that_the_detail_tells_in_other_words_is_not_repeated(capsys):
    mistake = {"path": "dependencies.a", "message": "a is disabled; enable it first"}
    err = printed(capsys, detail="b needs a: a is disabled; enable it first.", mistakes=[mistake])
    assert err.count("enable it first") == 1


def test_mistake_of_a_path_that_the_detail_leaves_out_is_printed(capsys):
    err = printed(capsys, detail="a: is missing, and more", mistakes=[{"path": "b", "message": "is missing"}])
    assert err.endswith("  b: is missing\n")


def test_next_step_that_the_detail_tells_is_not_repeated():
    assert sentences("It is off; enable it.", "Enable it") == "It is off; enable it."


def test_two_dots_that_are_quoted_stay():
    told = 'expected a path without . and .., got "../x"'
    assert sentences(told + ".", "Mend it.") == told + ". Mend it."


def test_sentences_are_separated_by_one_full_stop():
    assert sentences("It is off..", "Enable it.") == "It is off. Enable it."


def test_an_ellipsis_stays():
    assert sentences("POST /plugins/... does it.") == "POST /plugins/... does it."


def test_page_beyond_the_last_is_told():
    assert (
        beyond_the_last({"items": [], "total": 3, "page": 9, "pages": 1}) == "Page 9 is beyond the last of 1."
    )


def test_first_page_of_nothing_is_not_beyond():
    assert beyond_the_last({"items": [], "total": 0, "page": 1, "pages": 0}) is None
