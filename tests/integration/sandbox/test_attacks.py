"""A hostile plugin, as root and as an ordinary user, with and without namespaces: everything it tries is denied, and the host is unharmed.

The attacks are made by one child for each way of starting it, in the order in which they stand in `sandbox_attacks`; each is a test of its own.
"""

import errno

import pytest

from isp_plugin_sdk.sandbox.numbers import NUMBERS
from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugin_sdk.sandbox.seccomp import (
    ACCEPTING,
    FILE_ATTRIBUTES,
    KERNEL,
    LISTENING,
    NAMESPACES,
    OTHER_PROCESSES,
    SHARED_MEMORY,
)
from support.sandbox import DENIED_ERRNOS, EVERYBODY, make_target, policy_for, run
from support.sandbox_attacks import ALL, SURE

WAYS = [(who, namespaces) for who in EVERYBODY for namespaces in (True, False)]
EVERY_CALL = f"{OTHER_PROCESSES} {NAMESPACES} {KERNEL} {SHARED_MEMORY} {LISTENING} {ACCEPTING} clone3"


def named(way):
    return f"{way[0].name}{'' if way[1] else ' without namespaces'}"


def python_or_skip(kit, who):
    return kit.python_for(who) or pytest.skip("no interpreter that this user can start")


@pytest.fixture(scope="module", params=WAYS, ids=named)
def attacked(kit, request):
    """What became of every attack of one child, and of the host."""
    who, namespaces = request.param
    target = make_target(python_or_skip(kit, who), who)
    policy = policy_for(kit, target, who, namespaces=namespaces)
    yield run(kit, target, who, policy, ALL), target
    target.close()


@pytest.mark.parametrize("attack", ALL)
def test_attack_is_denied(attacked, attack):
    ended, _target = attacked
    assert attack in ended.outcomes, ended
    outcome = ended.outcomes[attack]
    assert outcome["error"] is not None, f"{attack}: it succeeded"
    assert outcome["errno"] in DENIED_ERRNOS or "Protocol not supported" in outcome["text"], outcome


def test_host_is_unharmed(attacked):
    _ended, target = attacked
    assert target.is_unharmed()


def test_every_layer_holds(attacked, request):
    ended, _target = attacked
    who, namespaces = request.node.callspec.params["attacked"]
    stays_root = who.ends_as == 0
    assert ended.report["level"] == ("partial" if stays_root else "full"), ended.report
    lacking = {each["layer"] for each in ended.report["missing"]} - {"namespaces"}
    assert lacking == ({"user"} if stays_root else set())
    assert namespaces or "namespaces" not in ended.report["holds"]


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_attacks_work_without_a_sandbox(kit, who):
    target = make_target(python_or_skip(kit, who), who)
    try:
        policy = policy_for(kit, target, who, enforcement=Enforcement.OFF)
        ended = run(kit, target, who, policy, {name: ALL[name] for name in SURE})
        assert {name: outcome for name, outcome in ended.outcomes.items() if outcome["error"]} == {}
    finally:
        target.close()


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_every_call_that_the_filter_names_is_refused(kit, who):
    """With arguments that do nothing, in case one is not refused; `vhangup`, `setsid` and `reboot` have none such."""
    target = make_target(python_or_skip(kit, who), who)
    calls = {
        name: NUMBERS[name][0]
        for name in f"{EVERY_CALL} {FILE_ATTRIBUTES}".split()
        if name not in {"vhangup", "setsid", "reboot"} and NUMBERS[name][0] is not None
    }
    pieces = {name: f"syscall({number}, -1, -1, -1, -1, -1, -1)" for name, number in calls.items()}
    try:
        policy = policy_for(kit, target, who, namespaces=False)
        ended = run(kit, target, who, policy, pieces)
        own_user = who.becomes is not None
        passed = {
            name: outcome
            for name, outcome in ended.outcomes.items()
            if outcome["errno"] not in {errno.EPERM, errno.ENOSYS}
            if not (own_user and name in FILE_ATTRIBUTES.split())
        }
        assert len(ended.outcomes) == len(calls)
        assert passed == {}
    finally:
        target.close()


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_code_of_another_architecture_ends_the_process(kit, who):
    """`int 0x80` enters the table of 32-bit calls, whose numbers mean something else."""
    code = (
        "import mmap\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        "page.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))\n"  # mov eax, getpid; int 0x80; ret
        "address = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "value = ctypes.CFUNCTYPE(ctypes.c_int)(address)()"
    )
    target = make_target(python_or_skip(kit, who), who)
    try:
        ended = run(kit, target, who, policy_for(kit, target, who), {"int 0x80": code})
        assert ended.code < 0
        assert ended.outcomes == {}
    finally:
        target.close()
