"""What `install SOURCE` means, and what of a folder is sent."""

import zipfile

import pytest
import typer

from isp_plugins.cli.operate.packing import Sent, files_in, pack, source_of


@pytest.mark.parametrize(
    ("text", "url", "ref"),
    [
        ("https://git.example.net/x.git", "https://git.example.net/x.git", None),
        ("git+https://git.example.net/x.git@v1.0", "https://git.example.net/x.git", "v1.0"),
        ("https://user:token@git.example.net/x.git", "https://user:token@git.example.net/x.git", None),
        ("https://user:token@git.example.net/x.git@main", "https://user:token@git.example.net/x.git", "main"),
        ("ssh://git@git.example.net/x.git@abc", "ssh://git@git.example.net/x.git", "abc"),
        ("ssh://git@git.example.net/x.git", "ssh://git@git.example.net/x.git", None),
        ("git@git.example.net:x.git", "ssh://git@git.example.net/x.git", None),
        ("git@git.example.net:x.git@v2", "ssh://git@git.example.net/x.git", "v2"),
    ],
)
def test_git_url_is_split_from_its_reference(text, url, ref):
    assert source_of(text) == Sent(url=url, ref=ref)


def test_file_and_folder_are_sent(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"x")
    assert source_of(str(tmp_path)) == Sent(file=tmp_path, is_folder=True)
    assert source_of(str(tmp_path / "a.whl")) == Sent(file=tmp_path / "a.whl")


def test_source_that_is_nothing_says_what_was_expected(capsys):
    with pytest.raises(typer.Exit):
        source_of("coverage_map")
    assert "neither a folder nor a file here, nor a git URL" in capsys.readouterr().err


def project(folder):
    for name in ("pyproject.toml", "src/x/__init__.py", "src/x/plugin.toml", "run.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in (".git/config", ".venv/bin/python", "src/x/__pycache__/x.pyc", "dist/x.whl", "x.egg-info/a"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left out")
    (folder / "run.sh").chmod(0o755)
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "inside").symlink_to("run.sh")


def test_folder_is_packed_without_what_no_package_needs(tmp_path):
    project(tmp_path)
    assert sorted(files_in(tmp_path)) == [
        "inside",
        "pyproject.toml",
        "run.sh",
        "src/x/__init__.py",
        "src/x/plugin.toml",
    ]


def test_same_folder_gives_the_same_archive(tmp_path):
    folder = tmp_path / "my_plugin"
    project(folder)
    pack(folder, tmp_path / "a.zip")
    pack(folder, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "my_plugin/pyproject.toml" in archive.namelist()
        assert archive.getinfo("my_plugin/run.sh").external_attr >> 16 & 0o111
