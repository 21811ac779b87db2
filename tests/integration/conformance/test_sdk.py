"""The SDK's worker speaks the protocol: everything that the conformance suite asks, over both transports, with either codec."""

import sys

import pytest

from isp_plugins.conformance.session import Options
from isp_plugins.conformance.suite import run
from isp_plugins.conformance.vocabulary import Transport, Verdict
from support.commands import ROOT

SERVE = (
    sys.executable,
    "-I",
    "-m",
    "isp_plugin_sdk.serve",
    "--path",
    str(ROOT / "examples" / "protocol" / "python"),
)
PLUGIN = "conformance:Conformance"


@pytest.mark.timeout(600)  # a process for each check
@pytest.mark.parametrize(
    ("transport", "options"), [(Transport.SOCKET, ()), (Transport.STDIO, ("--standard-json",))]
)
async def test_worker_of_the_sdk_passes_every_check(transport, options):
    report = await run(Options((*SERVE, *options, PLUGIN), transport, answer_s=60, handshake_s=60))
    assert [result for result in report.results if result.verdict is not Verdict.PASSED] == []
