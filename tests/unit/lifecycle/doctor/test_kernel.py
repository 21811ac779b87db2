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
    assert isinstance(found.seccomp, bool)


def test_probe_opens_nothing_and_keeps_the_user():
    before = (os.getuid(), len([*Path("/proc/self/fd").iterdir()]))
    probe_kernel()
    assert (os.getuid(), len([*Path("/proc/self/fd").iterdir()])) == before


def test_what_the_operator_wants_of_the_sandbox_is_among_the_facts():
    assert probe_kernel(Enforcement.REQUIRE).sandbox is Enforcement.REQUIRE


def test_server_that_is_root_and_gives_plugins_no_users_keeps_them_root():
    assert probe_kernel(first_uid=0).stays_root == (os.getuid() == 0)
    assert not probe_kernel(first_uid=65_534).stays_root
