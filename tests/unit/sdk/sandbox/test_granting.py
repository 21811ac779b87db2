"""From grants to a policy: what must never be reached is refused, the rest is carried over."""

from pathlib import Path

import pytest

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError, PolicyInvalidError
from isp_plugin_sdk.sandbox.granting import policy_of
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy

DATA, OWN = Path("/var/lib/isp"), Path("/var/lib/isp/plugins/7")


def made(grants, *, links=(), **more):
    return policy_of(grants, data_dir=DATA, own_folder=OWN, is_link=lambda path: str(path) in links, **more)


def test_nothing_granted_leaves_only_its_own_folder():
    policy = made(Grants(), code=(Path("/var/lib/isp/artifacts/ab/code"),))
    assert policy.write == (str(OWN),)
    assert policy.read == ("/var/lib/isp/artifacts/ab/code",)
    assert (policy.granted, policy.native_ports, policy.processes) == ((), (), False)
    assert None not in (policy.memory_mb, policy.open_files, policy.file_mb)


def test_granted_paths_are_marked_so_that_no_link_is_followed_to_them():
    policy = made(Grants(read=("/srv/rates",), write=("/srv/out",)))
    assert policy.granted == ("/srv/rates", "/srv/out")


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/isp",
        "/var/lib",
        "/var",
        "/var/lib/isp/secrets.key",
        "/var/lib/isp/plugins/8",
        "/proc/1",
        "/sys/kernel",
    ],
)
def test_what_reaches_the_host_cannot_be_granted(path):
    with pytest.raises(GrantsInvalidError, match=r"data directory|nothing below"):
        made(Grants(read=(path,)))


def test_neighbour_with_a_like_name_can_be_granted():
    assert "/var/lib/isp-export" in made(Grants(write=("/var/lib/isp-export",))).write


@pytest.mark.parametrize("link", ["/srv", "/srv/a", "/srv/a/b"])
def test_link_anywhere_on_the_way_is_refused(link):
    with pytest.raises(GrantsInvalidError, match="symbolic link"):
        made(Grants(read=("/srv/a/b",)), links={link})


def test_all_paths_that_cannot_be_granted_are_told():
    with pytest.raises(GrantsInvalidError) as caught:
        made(Grants(read=("/var",), write=("/srv/a", "/proc/2")), links={"/srv/a"})
    assert [each["path"] for each in caught.value.mistakes] == [
        "files.read[0]",
        "files.write[0]",
        "files.write[1]",
    ]


def test_policy_survives_its_way_to_the_child():
    policy = made(Grants(native_ports=(5432,), processes=True), enforcement=Enforcement.REQUIRE, uid=7, gid=8)
    assert SandboxPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"enforcement": "maybe"}', '{"enforcement": "off", "root": true}']
)
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(PolicyInvalidError):
        SandboxPolicy.from_json(text)
