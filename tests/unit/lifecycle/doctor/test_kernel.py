"""The kernel's probes leave the process as it was."""

import os
from pathlib import Path

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.lifecycle.doctor.facts import KernelFacts
from isp_plugins.lifecycle.doctor.kernel import probe_kernel


def test_probe_tells_every_feature():
    found = probe_kernel()
    assert isinstance(found, KernelFacts)
    assert found.landlock_abi >= 0
    assert found.cgroup_v2 or not found.cgroup_delegated


def test_probe_opens_nothing_and_keeps_the_user():
    before = (os.getuid(), len([*Path("/proc/self/fd").iterdir()]))
    probe_kernel()
    assert (os.getuid(), len([*Path("/proc/self/fd").iterdir()])) == before


def test_what_the_operator_wants_of_the_sandbox_is_among_the_facts():
    assert probe_kernel(Enforcement.REQUIRE).sandbox is Enforcement.REQUIRE
