"""Where modules are found, and where never."""

import os
from pathlib import Path

import pytest

from isp_plugins.runtime.search import Found, LinkLeavesPathError, find, find_dotted, real_folders


@pytest.fixture
def folders(tmp_path):
    for name in ("first", "second", "outside"):
        (tmp_path / name).mkdir()
    return real_folders([tmp_path / "first", tmp_path / "second"])


def put(folder, path, text=""):
    file = Path(folder, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def test_module_is_found_in_a_plain_folder(folders):
    file = put(folders[0], "plugins/mine.py")
    assert find_dotted(["plugins", "mine"], folders) == Found(file)


def test_package_is_found_before_a_module_of_its_name(folders):
    put(folders[0], "plugins/mine.py")
    file = put(folders[0], "plugins/mine/__init__.py")
    assert find_dotted(["plugins", "mine"], folders) == Found(file, (str(Path(file).parent),))


def test_first_folder_wins(folders):
    file = put(folders[0], "mine.py")
    put(folders[1], "mine.py")
    assert find("mine", folders, folders) == Found(file)


def test_plain_folders_of_one_name_are_one_package(folders):
    put(folders[0], "plugins/one.py")
    file = put(folders[1], "plugins/two.py")
    assert find_dotted(["plugins", "two"], folders) == Found(file)


def test_module_in_a_later_folder_wins_over_a_plain_folder(folders):
    Path(folders[0], "mine").mkdir()
    file = put(folders[1], "mine.py")
    assert find("mine", folders, folders) == Found(file)


@pytest.mark.parametrize("names", [["absent"], ["absent", "below"], ["mine", "below"]])
def test_what_is_not_there_is_not_found(folders, names):
    put(folders[0], "mine.py")
    assert find_dotted(names, folders) is None


def test_folder_that_does_not_exist_holds_nothing(tmp_path):
    assert find_dotted(["mine"], real_folders([tmp_path / "absent"])) is None


def test_pipe_named_like_a_module_is_not_opened(folders):
    os.mkfifo(Path(folders[0], "mine.py"))
    assert find("mine", folders, folders) is None


def test_linked_file_outside_is_refused(folders, tmp_path):
    target = put(str(tmp_path / "outside"), "secret.py")
    Path(folders[0], "mine.py").symlink_to(target)
    with pytest.raises(LinkLeavesPathError, match=r"secret\.py, which is outside"):
        find("mine", folders, folders)


@pytest.mark.parametrize("content", ["mine/__init__.py", "mine/module.py"])
def test_linked_folder_outside_is_refused(folders, tmp_path, content):
    put(str(tmp_path / "outside"), content)
    Path(folders[0], "mine").symlink_to(tmp_path / "outside" / "mine")
    with pytest.raises(LinkLeavesPathError):
        find("mine", folders, folders)


def test_folder_whose_name_only_begins_like_the_plugin_path_is_outside(tmp_path):
    put(str(tmp_path / "path-2"), "secret.py")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "mine.py").symlink_to(tmp_path / "path-2" / "secret.py")
    folders = real_folders([tmp_path / "path"])
    with pytest.raises(LinkLeavesPathError):
        find("mine", folders, folders)


def test_link_within_the_plugin_path_is_followed(folders):
    file = put(folders[1], "real.py")
    Path(folders[0], "mine.py").symlink_to(file)
    assert find("mine", folders, folders) == Found(file)


def test_plugin_path_itself_may_be_a_link(tmp_path):
    file = put(tmp_path.resolve(), "real/mine.py")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert find_dotted(["mine"], real_folders([tmp_path / "linked"])) == Found(file)
