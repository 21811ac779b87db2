"""A hostile plugin in a whole host, as root and as an ordinary user: what it forges, names and rewrites gets it nothing, is told, and nobody else is touched.

1. The attacks stand in `host_attacks`. One host for each user makes them all (`attacked_host`); each is a test of its own.
2. For comparison the same code is run by somebody to whom it is not denied: the plugin that it is about, one that is granted it, or one without a sandbox.
3. Where a refused thing passes the host, the audit trail names it; where only the kernel sees it, the plugin's own error does.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.granting import policy_of
from isp_plugin_sdk.sandbox.grants import Grants
from support.host_attacks import ALL
from support.sandbox import IS_ROOT, ORDINARY, ROOT_THEN_OTHER, as_user, python_with_the_product

TESTS = Path(__file__).parents[2]
HOSTS = (ORDINARY, ROOT_THEN_OTHER) if IS_ROOT else (ORDINARY,)
FORGED_REPLY = "a forged reply"


@pytest.fixture(scope="module", params=HOSTS, ids=lambda who: f"host of {who.name.partition(',')[0]}")
def host(request):
    """What became of every attack on one host."""
    who, folder = request.param, Path(tempfile.mkdtemp(prefix="attacked-"))
    try:
        folder.chmod(0o755)
        python = python_with_the_product(folder, who)
        if python is None:
            pytest.skip("no interpreter with the product that this user can start")
        (folder / "host").mkdir(mode=0o700)
        if IS_ROOT:
            os.chown(folder / "host", who.starts_as, who.starts_as)
        done = subprocess.run(
            [python, "-m", "support.attacked_host", str(folder / "host")],
            cwd=TESTS,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder / "host"), "LANG": "C.UTF-8"},
            **as_user(who),
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("attack", ALL)
def test_attack_gets_nothing(host, attack):
    answer = host["ended"][attack]["got"]
    assert (answer["error"] or answer["value"]) in ALL[attack].gets, answer


@pytest.mark.parametrize("attack", [*ALL, FORGED_REPLY])
def test_nobody_else_is_touched(host, attack):
    assert host["ended"][attack]["unharmed"]


@pytest.mark.parametrize("attack", [name for name, attack in ALL.items() if attack.without != "same bytes"])
def test_attack_is_real(host, attack):
    """Whoever it is not denied to gets something by the same code."""
    answer = host["ended"][attack]["without"]
    assert answer["error"] is None, answer
    assert answer["value"] not in ALL[attack].gets


@pytest.mark.parametrize("attack", [name for name, attack in ALL.items() if attack.told])
def test_what_the_host_refused_is_told(host, attack):
    told = {what for _who, outcome, what in host["told"] if outcome == "refused"}
    assert ALL[attack].told.format(**host["host"]) in told, host["told"]


def test_forged_reply_answers_only_its_own_call(host):
    """To every number there can be: the host takes it for the call of the plugin that sends it, so it was well-formed, and for no other."""
    ended = host["ended"][FORGED_REPLY]
    assert (ended["got"], ended["without"]) == ("mine", "forged")


def test_only_what_was_tried_is_told(host):
    assert {what for _who, _outcome, what in host["told"]} == {
        attack.told.format(**host["host"]) for attack in ALL.values() if attack.told
    }


PATHS = {
    "with dots": ("{shared}/../data/secrets.key", "without `.` and `..`"),
    "by way of a link": ("{link}/rates", "is a symbolic link"),
    "a link itself": ("{link}", "is a symbolic link"),
    "relative": ("shared", "absolute path"),
    "the data directory": ("{data}", "data directory"),
    "around the data directory": ("{folder}", "data directory"),
    "another process": ("/proc/1", "/proc and /sys"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_grant_that_leads_elsewhere_is_refused_by_name(tmp_path, path, kind):
    """The same grant by its plain path is accepted, so it is the way that is refused."""
    (tmp_path / "shared" / "rates").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "shared")
    data = tmp_path / "data"
    names = {"shared": tmp_path / "shared", "link": tmp_path / "link", "data": data, "folder": tmp_path}

    def grant(text):
        return policy_of(
            Grants.of({"files": {kind: [text]}}), data_dir=data, own_folder=data / "workers" / "1"
        )

    text, words = PATHS[path]
    with pytest.raises(GrantsInvalidError, match=words) as caught:
        grant(text.format(**names))
    assert text.format(**names) in str(caught.value) or str(tmp_path / "link") in str(caught.value)
    assert str(tmp_path / "shared" / "rates") in grant(str(tmp_path / "shared" / "rates")).granted
