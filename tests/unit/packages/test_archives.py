"""Attacks by archive: each is refused, and nothing is written outside the target (nor, where the header tells, in it)."""

import contextlib
import gzip
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.packages.archives import Entry, EntryKind, check, unpack_tar, unpack_zip
from isp_plugins.packages.errors import ArchiveUnsafeError, PackageTooLargeError
from isp_plugins.packages.limits import PackageLimits
from support.wheels import files_below, make_tar

LIMITS = PackageLimits(
    fetched_bytes=10**7, unpacked_bytes=20 * 10**6, entries=100, fetch_s=60, build_s=60, resolve_s=60
)


def zip_file(path, *entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def zip_info(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def tar_info(name, kind, *, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def assert_refused(unpack, path, tmp_path, match, *, error=ArchiveUnsafeError):
    target = tmp_path / "inside" / "target"
    target.parent.mkdir()
    before = files_below(tmp_path)
    with pytest.raises(error, match=match):
        unpack(path, target, LIMITS)
    assert {name for name in files_below(tmp_path) if not name.startswith("inside/target/")} == set(before)
    return target


@pytest.mark.parametrize(
    "name", ["../climbed", "/tmp/absolute", "a/../../climbed", "a\\..\\climbed", "C:\\x"]
)
def test_zip_slip_is_refused_before_anything_is_written(name, tmp_path):
    path = zip_file(tmp_path / "x.zip", ("good.txt", b"x"), (name, b"x"))
    assert not assert_refused(unpack_zip, path, tmp_path, "name").exists()


@pytest.mark.parametrize("name", ["../climbed", "/tmp/absolute", "a/../../climbed", "a/b/../../../climbed"])
def test_tar_slip_is_refused_before_anything_is_written(name, tmp_path):
    path = make_tar(tmp_path / "x.tar.gz", [("good.txt", b"x"), (name, b"x")])
    assert not assert_refused(unpack_tar, path, tmp_path, "name").exists()


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        (0o120777, "link"),
        (0o020666, "device"),
        (0o060666, "device"),
        (0o010666, "pipe"),
        (0o140666, "socket"),
    ],
)
def test_zip_with_something_else_than_files_is_refused(mode, word, tmp_path):
    path = zip_file(tmp_path / "x.zip", (zip_info("x", mode), b"/etc/passwd"))
    assert not assert_refused(unpack_zip, path, tmp_path, word).exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("link", ["/etc/passwd", "good.txt", "../../x"])
def test_tar_with_links_or_devices_is_refused(kind, link, tmp_path):
    path = make_tar(tmp_path / "x.tar.gz", [("good.txt", b"x"), (tar_info("x", kind, link=link), None)])
    assert not assert_refused(unpack_tar, path, tmp_path, "link|device").exists()


def test_write_through_a_link_that_comes_first_is_refused(tmp_path):
    members = [(tar_info("way", tarfile.SYMTYPE, link=str(tmp_path)), None), ("way/climbed", b"x")]
    path = make_tar(tmp_path / "x.tar.gz", members)
    assert not assert_refused(unpack_tar, path, tmp_path, "link").exists()


def test_sparse_tar_is_refused(tmp_path):
    sparse = tar_info("hole", tarfile.GNUTYPE_SPARSE)
    raw = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    raw[386:410] = b"00000000000\0" + b"00000000000\0"
    raw[483:495] = b"00000010000\0"
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    path = tmp_path / "x.tar"
    path.write_bytes(bytes(raw) + bytes(1024))
    assert not assert_refused(unpack_tar, path, tmp_path, "sparse").exists()


@pytest.mark.parametrize(
    "names", [("a", "a"), ("a", "A"), ("a", "a/b"), ("é", "e\u0301"), ("Dir/x", "dir/y")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_land_on_each_other_are_refused(names, tmp_path):
    entries = [(name, b"x") for name in names]
    path = zip_file(tmp_path / "x.zip", *entries)
    assert not assert_refused(unpack_zip, path, tmp_path, "twice|same|folder").exists()
    tar = make_tar(tmp_path / "x.tar.gz", entries)
    with pytest.raises(ArchiveUnsafeError):
        unpack_tar(tar, tmp_path / "inside" / "tar", LIMITS)


def test_zip_bomb_is_refused_by_what_its_header_tells(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("zeros", bytes(LIMITS.unpacked_bytes + 1)))
    assert not assert_refused(unpack_zip, path, tmp_path, "larger than", error=PackageTooLargeError).exists()


def test_zip_bomb_below_the_size_limit_is_refused_by_its_ratio(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("zeros", bytes(15 * 10**6)))
    assert not assert_refused(unpack_zip, path, tmp_path, "times its size").exists()


def test_zip_bomb_whose_header_lies_ends_at_what_the_header_says(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("zeros", bytes(15 * 10**6)))
    raw = path.read_bytes()
    small = raw.replace(struct.pack("<I", 15 * 10**6), struct.pack("<I", 10))
    assert small != raw
    path.write_bytes(small)
    target = assert_refused(unpack_zip, path, tmp_path, "damaged|as large")
    assert sum(len(data) for data in files_below(target).values()) <= 10


def test_gzip_bomb_ends_at_the_limit(tmp_path):
    member = tar_info("zeros", tarfile.REGTYPE, size=10 * LIMITS.unpacked_bytes)
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb") as file:
        file.write(member.tobuf())
        chunk = bytes(10**6)
        for _ in range(2 * LIMITS.unpacked_bytes // 10**6):
            file.write(chunk)
    assert not assert_refused(unpack_tar, path, tmp_path, "larger than", error=PackageTooLargeError).exists()


def test_header_that_promises_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_info("short", tarfile.REGTYPE, size=5000).tobuf() + bytes(512))
    assert_refused(unpack_tar, path, tmp_path, "damaged|as large")


def test_more_entries_than_the_limit_are_refused(tmp_path):
    entries = [(f"f{number}", b"") for number in range(LIMITS.entries + 1)]
    path = zip_file(tmp_path / "x.zip", *entries)
    assert not assert_refused(unpack_zip, path, tmp_path, "files", error=PackageTooLargeError).exists()
    with pytest.raises(PackageTooLargeError):
        unpack_tar(make_tar(tmp_path / "x.tar.gz", entries), tmp_path / "inside" / "tar", LIMITS)


def test_encrypted_zip_is_refused(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("x", b"content"))
    raw = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + flags] |= 1
    path.write_bytes(raw)
    assert not assert_refused(unpack_zip, path, tmp_path, "encrypted").exists()


def test_zip_packed_in_another_way_is_refused(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("x", b"content"), method=zipfile.ZIP_BZIP2)
    assert not assert_refused(unpack_zip, path, tmp_path, "packed in a way").exists()


def test_zip_whose_two_headers_name_different_files_is_refused(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("inner", b"content"))
    path.write_bytes(path.read_bytes().replace(b"inner", b"../up", 1))
    assert_refused(unpack_zip, path, tmp_path, "damaged")


def test_damaged_content_is_refused(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("x", b"content"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT", 1))
    assert_refused(unpack_zip, path, tmp_path, "damaged")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_tar_of_headers_about_headers_is_refused(kind, tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(tar_info("x", kind).tobuf() * 5000 + bytes(1024))
    assert_refused(unpack_tar, path, tmp_path, "damaged")


def test_zip_with_an_endless_list_is_refused_before_the_list_is_read(tmp_path):
    path = zip_file(tmp_path / "x.zip", ("x", b""))
    raw = bytearray(path.read_bytes())
    raw[-10:-6] = struct.pack("<I", 2**31)
    path.write_bytes(raw)
    assert not assert_refused(unpack_zip, path, tmp_path, "far more entries").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(100)])
def test_what_is_no_zip_is_refused(content, tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    if content.startswith(b"PK\x05\x06"):
        unpack_zip(path, tmp_path / "empty", LIMITS)
        assert files_below(tmp_path / "empty") == {}
    else:
        assert_refused(unpack_zip, path, tmp_path, "damaged")


def test_good_archives_are_unpacked_with_their_modes(tmp_path):
    zip_file(tmp_path / "x.zip", ("a/", b""), ("a/b", b"1"), (zip_info("run", 0o100755), b"2"))
    unpack_zip(tmp_path / "x.zip", tmp_path / "zip", LIMITS)
    run = tar_info("./run", tarfile.REGTYPE)
    run.mode = 0o4755
    members = [
        (tar_info("./", tarfile.DIRTYPE), None),
        (tar_info("./a", tarfile.DIRTYPE), None),
        ("./a/b", b"1"),
        (run, b"2"),
    ]
    unpack_tar(make_tar(tmp_path / "x.tar.gz", members), tmp_path / "tar", LIMITS)
    assert files_below(tmp_path / "zip") == files_below(tmp_path / "tar") == {"a/b": b"1", "run": b"2"}
    modes = {(tmp_path / kind / "run").stat().st_mode & 0o7777 for kind in ("zip", "tar")}
    assert modes == {0o755}


entries = st.builds(
    Entry,
    st.text(st.sampled_from("ab./\\"), max_size=6),
    st.sampled_from(EntryKind),
    st.integers(0, 10**9),
    st.booleans(),
    st.none() | st.just("is a link"),
)


@given(st.lists(entries, max_size=8), st.integers(0, 10**6))
def test_whatever_is_let_through_is_within_the_limits(given_entries, packed):
    try:
        check("x", given_entries, packed, LIMITS)
    except (ArchiveUnsafeError, PackageTooLargeError):
        return
    assert sum(entry.size for entry in given_entries) <= LIMITS.unpacked_bytes
    assert not any(entry.problem for entry in given_entries)


@given(st.binary(max_size=100), st.integers(0, 600))
def test_damaged_tar_is_refused_in_words_or_unpacked_within_its_folder(tmp_path_factory, content, at):
    folder = tmp_path_factory.mktemp("any")
    tar = make_tar(folder / "x.tar", [("a/b", b"1")], mode="w")
    raw = bytearray(tar.read_bytes())
    raw[at : at + len(content)] = content
    tar.write_bytes(raw)
    with contextlib.suppress(ArchiveUnsafeError, PackageTooLargeError):
        unpack_tar(tar, folder / "out", LIMITS)
    assert {path.name for path in folder.iterdir()} <= {"x.tar", "out"}
