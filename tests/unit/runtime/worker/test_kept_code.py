"""Copies of plugins' code: what they hold, and when they go."""

import pytest

from isp_plugins.runtime.worker import kept_code
from isp_plugins.runtime.worker.kept_code import KeptCode


@pytest.fixture
def path(tmp_path):
    """A plugin path with a few files."""
    for name in (
        "plugins/a.py",
        "plugins/b.py",
        "plugins/pack/__init__.py",
        "plugins/pack/deep/c.py",
        "top.py",
    ):
        file = tmp_path / "path" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}")
    (tmp_path / "path" / "plugins" / "data.txt").write_text("data")
    return tmp_path / "path"


@pytest.fixture
def kept(tmp_path):
    return KeptCode(tmp_path / "kept")


def held(copy):
    return sorted(str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file())


def test_copy_holds_the_modules_around_the_plugin_and_no_data(kept, path):
    copy = kept.take(1, "plugins.a", [str(path)])
    assert held(copy) == [
        "0/plugins/a.py",
        "0/plugins/b.py",
        "0/plugins/pack/__init__.py",
        "0/plugins/pack/deep/c.py",
    ]


def test_copy_of_a_module_on_top_holds_the_modules_there(kept, path):
    assert held(kept.take(1, "top", [str(path)])) == ["0/top.py"]


@pytest.mark.parametrize(
    ("module", "own"),
    [("plugins.a", ["0/plugins/a.py"]), ("plugins.pack.deep.c", ["0/plugins/pack/__init__.py", "0/plugins/pack/deep/c.py"])],
)  # fmt: skip
def test_of_a_large_folder_only_the_plugins_own_is_copied(kept, path, monkeypatch, module, own):
    monkeypatch.setattr(kept_code, "MAX_FILES", 3)
    assert held(kept.take(1, module, [str(path)])) == own


def test_equal_code_is_kept_once_and_changed_code_apart(kept, path):
    first = kept.take(1, "plugins.a", [str(path)])
    assert kept.take(2, "plugins.a", [str(path)]) == first
    (path / "plugins" / "b.py").write_text("changed")
    assert kept.take(1, "plugins.a", [str(path)]) != first


def test_what_no_plugin_needs_is_dropped(kept, path):
    first = kept.take(1, "plugins.a", [str(path)])
    assert kept.take(2, "plugins.a", [str(path)]) == first
    (path / "plugins" / "a.py").write_text("changed")
    second = kept.take(1, "plugins.a", [str(path)])
    kept.settle(1, [second])
    assert (first.is_dir(), second.is_dir()) == (True, True)
    kept.settle(2, [])
    assert (first.is_dir(), second.is_dir()) == (False, True)


def test_new_host_begins_with_nothing(kept, path, tmp_path):
    copy = kept.take(1, "plugins.a", [str(path)])
    KeptCode(tmp_path / "kept")
    assert not copy.exists()


def test_link_is_not_followed(kept, path, tmp_path):
    (tmp_path / "secret.py").write_text("secret")
    (path / "plugins" / "linked.py").symlink_to(tmp_path / "secret.py")
    assert "0/plugins/linked.py" not in held(kept.take(1, "plugins.a", [str(path)]))
