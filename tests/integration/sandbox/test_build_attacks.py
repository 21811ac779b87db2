"""A hostile build backend, as root and as an ordinary user: it reads and changes nothing of its host, reaches nobody, and still builds."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import isp_plugins.packages.build_child as build_child
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.packages.build_policy import BuildSandbox
from support import hostile_backend
from support.sandbox import DENIED_ERRNOS, EVERYBODY, IS_ROOT, as_user, make_target
from support.sandbox_attacks import FILES, KERNEL, NAMESPACES, NETWORK, PROCESSES, SUCCEEDS

ALLOWED = {
    "fork",
    "fork by a bare call",
    "run a program",
    "run a program by a shell",
    "become a program",
    "become a program by descriptor",
}
"""A compiler is a program, and make starts many."""
NOBODY_THERE = 3
"""ESRCH: in a namespace of processes the host's number is nobody's."""
ALL = FILES | NETWORK | PROCESSES | KERNEL | NAMESPACES
ATTACKS = {name: attack.code for name, attack in ALL.items() if name not in ALLOWED} | {
    "read through /proc/self/cwd": "open('/proc/self/cwd/../../data/secrets.key').read()",
    "write into the environment that the host runs": "import sys; open(sys.prefix + '/lib/attack.py', 'w')",
    "read by way of a program": "import subprocess\ndone = subprocess.run(['cat', target['key']], capture_output=True)\nif done.returncode: raise PermissionError(1, done.stderr.decode())",
    "write by way of a program": "import subprocess\nif subprocess.call(['cp', '/bin/true', target['data'] + '/attack']): raise PermissionError(1, '')",
}
ORDINARY_WORK = {
    "runs a program": "import subprocess\nvalue = subprocess.run(['/bin/echo', 'built'], capture_output=True, check=True, text=True).stdout.strip()",
    "runs what it built": "import os, pathlib, subprocess\npathlib.Path('tool').write_text('#!/bin/sh\\necho built\\n')\nos.chmod('tool', 0o755)\nvalue = subprocess.run(['./tool'], capture_output=True, check=True, text=True).stdout.strip()",
    "copies with modes": "import os, pathlib, shutil\npathlib.Path('a').write_text('built')\nshutil.copy2('a', 'b')\nvalue = open('b').read()",
    "works in its temporary folder": "import tempfile\nwith tempfile.NamedTemporaryFile('w+') as file:\n    file.write('built'); file.seek(0); value = file.read()",
    "waits for its children": "import os\npid = os.fork()\nif pid == 0: os._exit(3)\nvalue = 'built' if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3 else ''",
    "works in threads": "import concurrent.futures as f\nvalue = f.ThreadPoolExecutor(2).submit(lambda: 'built').result()",
}


class Build:
    """What became of a build of hostile source."""

    def __init__(self, kit, who, pieces, **changes):
        self.python = kit.python_for(who) or pytest.skip("no interpreter that this user can start")
        self.target = make_target(self.python, who)
        own = self.target.folder / "own"
        folders = [own / name for name in ("source", "home", "out")]
        for folder in folders:
            folder.mkdir()
        shutil.copy(hostile_backend.__file__, folders[0] / "hostile.py")
        (folders[0] / "pieces.json").write_text(json.dumps({"pieces": pieces, "target": self.target.values}))
        if IS_ROOT:
            for path in own.rglob("*"):
                shutil.chown(path, who.ends_as, who.ends_as)
        self.result = folders[1] / "result.json"
        sandbox = BuildSandbox(self.target.folder / "data", Enforcement.BEST_EFFORT, 0)
        policy = sandbox.policy(
            tuple(folders), path="/usr/bin:/bin", file_bytes=64 << 20, build_s=60
        )._replace(**{"uid": who.becomes, "gid": who.becomes, **changes})
        child = kit.folder / "build_child.py"
        if not child.exists():
            shutil.copy(build_child.__file__, child)
            child.chmod(0o644)
        self.done = subprocess.run(
            [self.python, "-I", str(child), "wheel", "hostile", '["."]', str(folders[2]), str(self.result), str(kit.folder), policy.to_json()],
            cwd=folders[0], capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folders[1]), "TMPDIR": str(folders[1]), "LANG": "C.UTF-8"},
            **as_user(who),
        )  # fmt: skip
        told = folders[2] / "outcomes.json"
        self.outcomes = json.loads(told.read_text()) if told.exists() else {}


@pytest.fixture(scope="module", params=EVERYBODY, ids=lambda who: who.name)
def who(request):
    return request.param


@pytest.fixture(scope="module")
def attacked(kit, who):
    build = Build(kit, who, ATTACKS | ORDINARY_WORK)
    yield build
    build.target.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_of_a_build_is_denied(attacked, attack):
    assert attack in attacked.outcomes, attacked.done
    outcome = attacked.outcomes[attack]
    assert outcome["error"] is not None, f"{attack}: it succeeded"
    denied = ALL[attack].denied if attack in ALL else DENIED_ERRNOS
    assert outcome["errno"] in {*denied, NOBODY_THERE}, outcome


@pytest.mark.parametrize("work", ORDINARY_WORK)
def test_ordinary_work_of_a_build_is_possible(attacked, work):
    outcome = attacked.outcomes[work]
    if work == "copies with modes" and "namespaces" in json.loads(attacked.result.read_text())["lacking"]:
        pytest.skip("without namespaces modes may be refused")
    assert outcome.get("value") == "built", outcome


def test_host_of_a_hostile_build_is_unharmed(attacked):
    assert attacked.target.is_unharmed()


def test_attacks_of_a_build_work_without_a_sandbox(kit, who):
    build = Build(
        kit,
        who,
        {
            name: ATTACKS[name]
            for name, attack in FILES.items()
            if attack.without is SUCCEEDS
        } | {"read by way of a program": ATTACKS["read by way of a program"]},
        enforcement=Enforcement.OFF,
    )  # fmt: skip
    try:
        failed = {name: outcome for name, outcome in build.outcomes.items() if outcome["error"]}
        assert build.outcomes, build.done
        hidden = {"read the host's environment", "read the host's mapped memory"}
        assert failed.keys() <= hidden  # by another view of /proc
    finally:
        build.target.close()


def test_build_without_namespaces_tells_that_its_user_can_change_modes(kit, who):
    build = Build(kit, who, {"copies": ORDINARY_WORK["copies with modes"]}, namespaces=False)
    try:
        assert build.outcomes["copies"]["value"] == "built"
        lacking = json.loads(build.result.read_text())["lacking"]
        assert ("modes and times" in lacking) == (
            who.becomes is None or "CAP_DAC" in lacking or bool(lacking)
        )
    finally:
        build.target.close()


def test_required_sandbox_that_cannot_be_had_builds_nothing(kit, who):
    if who.becomes is not None:
        pytest.skip("another user has all of it without namespaces, too, where it can read the interpreter")
    build = Build(kit, who, {"one": "value = 1"}, enforcement=Enforcement.REQUIRE, namespaces=False)
    try:
        assert build.done.returncode == 3
        assert "The sandbox is required" in build.done.stderr
        assert build.outcomes == {}
    finally:
        build.target.close()


def test_toolchain_never_opens_the_data_directory():
    sandbox = BuildSandbox(Path("/srv/isp/data"), Enforcement.BEST_EFFORT, 0)
    policy = sandbox.policy((), path="/usr/bin:/srv/isp/data/bin:/srv/isp:/", file_bytes=1, build_s=1)
    assert not [path for path in policy.execute if path.startswith("/srv") or path == "/"]
