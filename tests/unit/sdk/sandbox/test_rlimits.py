"""Which limits a policy means."""

import resource

from isp_plugin_sdk.sandbox.policy import SandboxPolicy
from isp_plugin_sdk.sandbox.rlimits import MIB, limits_of


def test_memory_is_bounded_as_private_and_as_a_whole():
    limits = dict(limits_of(SandboxPolicy(memory_mb=100), own_user=False))
    assert 100 * MIB < limits[resource.RLIMIT_DATA] < limits[resource.RLIMIT_AS]


def test_processes_are_bounded_only_for_a_user_of_its_own():
    assert resource.RLIMIT_NPROC not in dict(limits_of(SandboxPolicy(threads=9), own_user=False))
    assert dict(limits_of(SandboxPolicy(threads=9), own_user=True))[resource.RLIMIT_NPROC] == 9


def test_what_is_not_limited_is_left_alone():
    policy = SandboxPolicy(memory_mb=None, cpu_seconds=None, open_files=None, file_mb=None)
    assert set(dict(limits_of(policy, own_user=False)).values()) == {0}
