import pytest

from isp_plugins.packages.errors import ArchiveUnsafeError, WheelInvalidError
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.wheel_writer import About, Content, write_wheel
from isp_plugins.packages.wheels import check_wheel
from support.wheels import make_wheel

LIMITS = PackageLimits(
    fetched_bytes=10**7, unpacked_bytes=10**7, entries=100, fetch_s=60, build_s=60, resolve_s=60
)
FILES = {"pkg/__init__.py": "x = 1\n", "pkg/data, with comma.txt": "y"}


def record_edit(change):
    def edit(content, info):
        content[f"{info}/RECORD"] = change(content[f"{info}/RECORD"].decode(), info).encode()

    return edit


def test_true_wheel_is_accepted(tmp_path):
    named = check_wheel(make_wheel(tmp_path, "isp-pkg", "1.0", files={"pkg/__init__.py": ""}), LIMITS)
    assert (named.name, str(named.version)) == ("isp-pkg", "1.0")


def add_file(content, info):
    content["pkg/stowaway.py"] = b"evil"


def change_file(content, info):
    content["pkg/__init__.py"] = b"x = 2\n"


def drop_file(content, info):
    del content["pkg/__init__.py"]


def second_info(content, info):
    content["other-1.0.dist-info/METADATA"] = b""


def no_info(content, info):
    for name in [name for name in content if name.startswith(info)]:
        del content[name]


LIES = {
    "stowaway": (add_file, "in the wheel but not in RECORD"),
    "changed file": (change_file, "another digest"),
    "missing file": (drop_file, "not in the wheel"),
    "two dist-infos": (second_info, "exactly one .dist-info"),
    "no dist-info": (no_info, "exactly one .dist-info"),
    "no record": (lambda content, info: content.pop(f"{info}/RECORD"), "missing"),
    "no metadata": (lambda content, info: content.pop(f"{info}/METADATA"), "missing"),
    "md5": (record_edit(lambda text, _: text.replace("sha256=", "md5=", 1)), "no SHA-256"),
    "no digest": (record_edit(lambda text, info: text.replace(text.splitlines()[0], "pkg/__init__.py,,")), "no SHA-256"),
    "wrong size": (record_edit(lambda text, _: text.replace(",6\n", ",7\n", 1)), "another size"),
    "twice": (record_edit(lambda text, _: text.splitlines()[0] + "\n" + text), "no record of its own"),
    "endless line": (record_edit(lambda text, _: "x" * 200_000 + text), "cannot be read"),
    "short line": (record_edit(lambda text, _: "pkg\n" + text), "no record of its own"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_wheel_that_lies_is_refused(lie, tmp_path):
    edit, problem = LIES[lie]
    wheel = make_wheel(tmp_path, "isp-pkg", "1.0", files={"pkg/__init__.py": "x = 1\n"}, edit=edit)
    with pytest.raises(WheelInvalidError, match=problem) as raised:
        check_wheel(wheel, LIMITS)
    assert raised.value.details


@pytest.mark.parametrize(
    "name",
    [
        "other-1.0-py3-none-any.whl",
        "isp_pkg-2.0-py3-none-any.whl",
        "isp_pkg.whl",
        "isp_pkg-x-py3-none-any.whl",
    ],
)
def test_wheel_whose_name_says_something_else_is_refused(name, tmp_path):
    wheel = make_wheel(tmp_path, "isp-pkg", "1.0")
    with pytest.raises(WheelInvalidError):
        check_wheel(wheel.rename(tmp_path / name), LIMITS)


def test_every_lie_is_told_at_once(tmp_path):
    def edit(content, info):
        add_file(content, info)
        change_file(content, info)

    wheel = make_wheel(tmp_path, "isp-pkg", "1.0", files={"pkg/__init__.py": "x = 1\n"}, edit=edit)
    with pytest.raises(WheelInvalidError) as raised:
        check_wheel(wheel, LIMITS)
    assert {one["path"] for one in raised.value.details} == {"pkg/stowaway.py", "pkg/__init__.py"}


def test_wheel_that_climbs_out_is_refused(tmp_path):
    with pytest.raises(ArchiveUnsafeError):
        check_wheel(make_wheel(tmp_path, "isp-pkg", "1.0", files={"../x.py": ""}), LIMITS)


def test_written_wheel_is_true_and_the_same_every_time(tmp_path):
    about = About("isp-pkg", "1.0", requires_python=">=3.11", entry_points="[isp_plugins]\npkg = pkg\n")
    files = {name: Content(data.encode(), executable=name.endswith("py")) for name, data in FILES.items()}
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first = write_wheel(folders[0], about, files)
    second = write_wheel(folders[1], about, dict(reversed(files.items())))
    check_wheel(first, LIMITS)
    assert first.read_bytes() == second.read_bytes()
