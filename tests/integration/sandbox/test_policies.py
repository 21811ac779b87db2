"""What an enforcement promises, what grants open and nothing more, and grants that lead elsewhere."""

import os
import socket

import pytest

from isp_plugin_sdk.sandbox.policy import Enforcement
from support.sandbox import (
    DENIED_ERRNOS,
    IS_ROOT,
    ORDINARY,
    ROOT_STAYS,
    ROOT_THEN_OTHER,
    SECRET,
    make_target,
    policy_for,
    run,
)

WHO = ROOT_THEN_OTHER if IS_ROOT else ORDINARY


@pytest.fixture
def target(kit):
    python = kit.python_for(WHO) or pytest.skip("no interpreter that this user can start")
    made = make_target(python, WHO)
    yield made
    made.close()


def one(kit, target, code, **changes):
    ended = run(kit, target, WHO, policy_for(kit, target, WHO, **changes), {"one": code})
    return ended.outcomes["one"], ended


def test_required_sandbox_starts_where_everything_holds(kit, target):
    outcome, ended = one(kit, target, "value = 1", enforcement=Enforcement.REQUIRE)
    assert outcome["value"] == 1
    assert ended.report["level"] == "full"


@pytest.mark.skipif(not IS_ROOT, reason="only root has something to give up that it may not be able to")
def test_required_sandbox_refuses_to_stay_root(kit, target):
    policy = policy_for(kit, target, ROOT_STAYS, enforcement=Enforcement.REQUIRE)
    ended = run(kit, target, ROOT_STAYS, policy, {"one": "value = 1"})
    assert (ended.code, ended.outcomes) == (3, {})
    assert "user (it runs as root" in ended.refused


def test_switched_off_sandbox_says_so(kit, target):
    _outcome, ended = one(kit, target, "value = 1", enforcement=Enforcement.OFF)
    assert ended.report["level"] == "none"
    assert "ISP_PLUGINS_SANDBOX" in ended.report["notes"][0]


def test_granted_folder_is_read_and_not_written(kit, target):
    shared = target.folder / "shared"
    shared.mkdir(mode=0o755)
    (shared / "rates.csv").write_text("12")
    (shared / "rates.csv").chmod(0o666)
    read, _ = one(
        kit,
        target,
        f"value = open({str(shared / 'rates.csv')!r}).read()",
        read=(str(kit.folder), str(shared)),
    )
    assert read["value"] == "12"
    written, _ = one(
        kit, target, f"open({str(shared / 'rates.csv')!r}, 'w')", read=(str(kit.folder), str(shared))
    )
    assert written["errno"] is not None
    assert (shared / "rates.csv").read_text() == "12"


@pytest.mark.parametrize("namespaces", [True, False])
def test_granted_folder_is_written(kit, target, namespaces):
    shared = target.folder / "shared"
    shared.mkdir()
    os.chown(shared, WHO.ends_as, WHO.ends_as)
    own = str(target.folder / "own")
    outcome, _ = one(
        kit,
        target,
        f"open({str(shared / 'out')!r}, 'w').write('x')",
        write=(own, str(shared)),
        namespaces=namespaces,
    )
    assert outcome["error"] is None
    assert (shared / "out").read_text() == "x"


def test_granted_path_that_became_a_link_stays_denied(kit, target):
    """It was a folder when the operator accepted it; whoever swaps it for a link gains nothing."""
    granted = target.folder / "granted"
    granted.symlink_to(target.folder / "data")
    path = str(granted / "secrets.key")
    outcome, ended = one(kit, target, f"open({path!r}).read()", read=(str(kit.folder), path), granted=(path,))
    assert outcome["error"] == "PermissionError"
    assert SECRET not in str(ended.outcomes)
    assert any("symbolic link" in note for note in ended.report["notes"])


def test_granted_folder_that_became_a_link_cannot_be_changed_either(kit, target):
    granted = target.folder / "granted"
    granted.symlink_to(target.folder / "data")
    own, path = str(target.folder / "own"), str(granted)
    code = "import os; os.chmod(target['key'], 0o644)"
    outcome, _ = one(kit, target, code, write=(own, path), granted=(path,))
    assert outcome["errno"] in DENIED_ERRNOS
    assert target.is_unharmed()


def test_granted_path_that_is_not_there_is_told(kit, target):
    path = str(target.folder / "nowhere")
    _outcome, ended = one(kit, target, "value = 1", read=(str(kit.folder), path), granted=(path,))
    assert f"{path} is granted, but is not there" in ended.report["notes"]


def test_granted_processes_live_in_the_same_sandbox(kit, target):
    code = "import subprocess; value = subprocess.run(['/bin/cat', target['key']], capture_output=True, text=True).stderr"
    outcome, _ = one(kit, target, code, processes=True)
    assert outcome["error"] is None
    assert "Permission denied" in outcome["value"]


@pytest.mark.parametrize("namespaces", [True, False])
def test_granted_processes_cannot_signal_the_host(kit, target, namespaces):
    """In a namespace of processes the host's number is nobody's; without one Landlock refuses."""
    outcome, _ = one(
        kit, target, "import os; os.kill(target['pid'], 0)", processes=True, namespaces=namespaces
    )
    assert outcome["error"] in {"PermissionError", "ProcessLookupError"}


def test_without_a_namespace_of_processes_the_report_says_who_looks_for_what_is_left(kit, target):
    _outcome, ended = one(kit, target, "value = 1", processes=True, namespaces=False)
    assert ended.report["level"] == "full"
    assert "lineage" in [each["layer"] for each in ended.report["missing"] if "next start" in each["why"]]


def test_granted_port_is_reached_and_no_other(kit, target):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = "import socket; socket.create_connection(('127.0.0.1', {}), 5)"
        reached, _ = one(kit, target, code.format(port), native_ports=(port,))
        assert reached["error"] is None
        other, _ = one(kit, target, code.format("target['port']"), native_ports=(port,))
        assert other["error"] == "PermissionError"
    assert target.is_unharmed()


@pytest.mark.parametrize("trick", ["MSG_FASTOPEN", "MPTCP"])
def test_granted_port_does_not_open_ways_around(kit, target, trick):
    with socket.create_server(("127.0.0.1", 0)) as server:
        tricks = {
            "MSG_FASTOPEN": "import socket; socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', target['port']))",
            "MPTCP": "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
        }
        outcome, _ = one(kit, target, tricks[trick], native_ports=(server.getsockname()[1],))
        assert outcome["error"] == "PermissionError"
    assert target.is_unharmed()


def test_environment_of_the_worker_holds_nothing_of_the_hosts(kit, target, monkeypatch):
    monkeypatch.setenv("ISP_PLUGINS_SECRET_KEYS", SECRET)
    outcome, _ = one(kit, target, "value = open('/proc/self/environ').read()")
    assert "HOME=" in outcome["value"]
    assert SECRET not in outcome["value"]


def test_own_files_can_be_changed_with_a_view_of_its_own(kit, target):
    code = "import os, shutil\nopen('a', 'w').write('x')\nos.chmod('a', 0o640)\nos.utime('a', (1, 1))\nshutil.copy2('a', 'b')\nvalue = os.stat('b').st_mode & 0o777"
    outcome, ended = one(kit, target, code)
    if "namespaces" not in ended.report["holds"] and WHO is ORDINARY:
        pytest.skip("without namespaces a user of the host's own may not change modes")
    assert outcome["value"] == 0o640
