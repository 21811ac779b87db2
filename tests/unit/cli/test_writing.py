"""Files are put down all or none, over nothing, and nowhere else."""

import os

import pytest
import typer

from isp_plugins.cli.develop.writing import write_folder, write_zip

FILES = {"a/b.txt": "b\n", "run.sh": "#!/bin/sh\n"}


def test_folder_has_the_files_as_they_were_rendered(tmp_path):
    write_folder(FILES | {"crlf": "a\r\nb\n"}, tmp_path / "x/made")
    assert (tmp_path / "x/made/a/b.txt").read_text() == "b\n"
    assert (tmp_path / "x/made/crlf").read_bytes() == b"a\r\nb\n"
    assert os.access(tmp_path / "x/made/run.sh", os.X_OK)
    assert not os.access(tmp_path / "x/made/a/b.txt", os.X_OK)


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "a/../../x", ".git/hooks/post-checkout"])
@pytest.mark.parametrize("write", [write_folder, lambda files, place: write_zip(files, place, folder="a")])
def test_path_that_leaves_the_folder_writes_nothing(tmp_path, path, write):
    with pytest.raises(typer.Exit):
        write({"fine": "", path: "x"}, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("files", [{"a": "\ud800"}, {"\udc80": ""}])
def test_what_is_no_text_writes_nothing(tmp_path, files):
    with pytest.raises(typer.Exit):
        write_folder(files, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    deep = tmp_path
    while len(str(deep)) < 3700:
        deep /= "d" * 200
    deep /= "d" * (4000 - len(str(deep)))
    with pytest.raises(typer.Exit):
        write_folder({"fine": "", "x" * 199: ""}, deep / "made")
    assert list(deep.iterdir()) == []
    assert "File name too long" in capsys.readouterr().err


def test_what_came_in_between_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("isp_plugins.cli.develop.writing.check_free", lambda *_, **__: None)
    (tmp_path / "made").mkdir()
    (tmp_path / "made/precious").write_text("mine")
    (tmp_path / "made.zip").write_text("mine")
    with pytest.raises(typer.Exit):
        write_folder(FILES, tmp_path / "made")
    with pytest.raises(typer.Exit):
        write_zip(FILES, tmp_path / "made.zip", folder="made")
    assert (tmp_path / "made/precious").read_text() == (tmp_path / "made.zip").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "made.zip"]
