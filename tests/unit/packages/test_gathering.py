"""Which wheels of an index are fetched for other nodes, and what is told to whom on the way."""

import pytest
from packaging.tags import Tag

from isp_plugins.packages.gathering import chosen, missing, request_of
from isp_plugins.packages.values import Lock

A, B, C, SDK = (letter * 64 for letter in "abcd")
LOCK = Lock(
    f"isp-plugin-sdk==1 --hash=sha256:{SDK}\none==1.0 --hash=sha256:{A} --hash=sha256:{B}\ntwo==2.0 --hash=sha256:{C}\n",
    "cpython-3.11-linux-x86_64",
    SDK,
)
TAGS = [Tag("cp311", "cp311", "linux_x86_64"), Tag("py3", "none", "any")]


def wheel(name, digest, url="https://files.example.net/w"):
    return {"url": f"{url}/{name}", "hashes": {"sha256": digest}}


def test_what_the_depot_or_the_wheelhouse_has_is_not_missing():
    assert [line.split("==")[0] for line in missing(LOCK, frozenset())] == ["one", "two"]
    assert [line.split("==")[0] for line in missing(LOCK, frozenset({B}))] == ["two"]
    assert missing(LOCK, frozenset({A, C})) == []


def test_of_several_wheels_the_one_that_fits_best_is_taken():
    pure, built = wheel("one-1.0-py3-none-any.whl", A), wheel("one-1.0-cp311-cp311-linux_x86_64.whl", B)
    found = chosen({"packages": [{"name": "one", "wheels": [pure, built]}]}, LOCK, TAGS)
    assert [offer.digest for offer in found] == [B]


@pytest.mark.parametrize(
    "offered",
    [
        wheel("one-1.0-py3-none-any.whl", "e" * 64),
        wheel("one-1.0-cp27-cp27-win32.whl", A),
        wheel("no wheel at all", A),
        wheel("one-1.0-py3-none-any.whl", A, "file:///etc"),
        {"path": "one-1.0-py3-none-any.whl", "hashes": {"sha256": A}},
    ],
)
def test_what_the_lock_does_not_allow_or_does_not_fit_is_left(offered):
    assert chosen({"packages": [{"name": "one", "wheels": [offered]}]}, LOCK, TAGS) == []


def test_the_index_password_goes_to_its_own_host_alone():
    index = "https://ada:p%40ss@index.example.net/simple"
    own = request_of("https://index.example.net/files/one.whl", index)
    assert own.unredirected_hdrs["Authorization"] == "Basic YWRhOnBAc3M="
    for url in ("https://files.example.net/one.whl", "http://index.example.net/one.whl"):
        assert "Authorization" not in request_of(url, index).unredirected_hdrs


def test_a_password_in_the_url_of_a_wheel_becomes_a_header():
    asked = request_of("https://ada:secret@files.example.net/one.whl", None)
    assert asked.full_url == "https://files.example.net/one.whl"
    assert asked.unredirected_hdrs["Authorization"].startswith("Basic ")
