import os
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isp_plugins.packages.names import collisions, folded, plain, problem_of

parts = st.text(st.sampled_from("ab./\\:~ \0\n\u00e9\u0301\ud800CON"), max_size=8)


@pytest.mark.parametrize("name", ["a", "a/b.py", "é/ü", "..a", "a..", "a b", ".hidden", "~"])
def test_ordinary_name_is_accepted(name):
    assert problem_of(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "../x", "a/../../x", "a/..", "a/./b", "a//b", "..", ".", "a\\..\\x", "C:x", "c:/x", "a\0b", "a\nb", "\udc80",
        "x" * 256, "/".join("a" * 60), "é" * 200,
    ],
)  # fmt: skip
def test_name_that_leaves_its_folder_or_is_no_name_is_refused(name):
    assert problem_of(name) is not None


@given(parts)
def test_accepted_name_stays_below_its_folder(name):
    assume(problem_of(name) is None)
    assert os.path.normpath(f"/folder/{name}") == f"/folder/{name}"


@given(parts)
def test_plain_name_stays_plain(name):
    assert plain(plain(name)) == plain(name) or name.endswith("//")


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (["a", "a"], []),
        (["a", "A"], []),
        (["straße", "STRASSE"], []),
        ([unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")], []),
        (["a", "a/b"], []),
        (["a/b", "A"], []),
        (["a/b", "A/c"], []),
        (["a"], ["a"]),
        ([], ["a", "A"]),
    ],
)
def test_names_that_land_on_each_other_are_refused(files, folders):
    assert list(collisions(files, folders))


def test_folder_that_is_told_beside_its_files_is_no_collision():
    assert list(collisions(["a/b", "a/c", "d"], ["a", "a"])) == []


@given(
    st.lists(
        st.text("aAbBé/", min_size=1, max_size=4).filter(lambda name: problem_of(name) is None), max_size=6
    )
)
def test_files_without_collision_can_all_be_written_where_case_does_not_count(names):
    if not list(collisions(names, [])):
        places = [folded(name) for name in names]
        assert len(set(places)) == len(places)
        assert not {place for place in places if any(other.startswith(place + "/") for other in places)}
