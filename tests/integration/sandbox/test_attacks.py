"""A hostile plugin, as root and as an ordinary user, with and without namespaces: everything it tries is denied by name, and the host is unharmed.

1. The attacks stand in `sandbox_attacks`, each with its code, how it is denied, and what it does without a sandbox. They are made by one child for each way of
   starting it, in that order; each is a test of its own.
2. `test_attack_is_real` makes the same ones without a sandbox: an attack that is broken by itself would be "denied" for ever.
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
from support.sandbox import EVERYBODY, make_target, policy_for, run
from support.sandbox_attacks import ALL, SUCCEEDED

WAYS = [(who, namespaces) for who in EVERYBODY for namespaces in (True, False)]
EVERY_CALL = f"{OTHER_PROCESSES} {NAMESPACES} {KERNEL} {SHARED_MEMORY} {LISTENING} {ACCEPTING} clone3"


def named(way):
    return f"{way[0].name}{'' if way[1] else ' without namespaces'}"


def python_or_skip(kit, who):
    return kit.python_for(who) or pytest.skip("no interpreter that this user can start")


def codes(target):
    """The code of every attack that can be tried on this target."""
    return {name: attack.code for name, attack in ALL.items() if attack.without.needs in {"", *target.values}}


@pytest.fixture(scope="module", params=WAYS, ids=named)
def attacked(kit, request):
    """What became of every attack of one child, and of the host."""
    who, namespaces = request.param
    target = make_target(python_or_skip(kit, who), who)
    policy = policy_for(kit, target, who, namespaces=namespaces)
    yield run(kit, target, who, policy, codes(target)), target
    target.close()


@pytest.fixture(scope="module", params=EVERYBODY, ids=lambda who: who.name)
def free(kit, request):
    """The same without a sandbox, and who made them."""
    who = request.param
    target = make_target(python_or_skip(kit, who), who)
    policy = policy_for(kit, target, who, enforcement=Enforcement.OFF)
    yield run(kit, target, who, policy, codes(target)), who
    target.close()


def outcome_of(ended, attack):
    if attack not in ended.outcomes and ALL[attack].without.needs:
        pytest.skip("this machine has no IPv6")
    assert attack in ended.outcomes, ended
    return ended.outcomes[attack]


@pytest.mark.parametrize("attack", ALL)
def test_attack_is_denied(attacked, attack):
    ended, _target = attacked
    outcome = outcome_of(ended, attack)
    assert outcome["error"] is not None, f"{attack}: it succeeded"
    assert outcome["errno"] in ALL[attack].denied, outcome


@pytest.mark.parametrize("attack", ALL)
def test_attack_is_real(free, attack):
    ended, who = free
    outcome = outcome_of(ended, attack)
    ends = SUCCEEDED if outcome["error"] is None else outcome["errno"]
    assert ends in ALL[attack].without.ends_for(who), outcome


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
