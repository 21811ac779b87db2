"""The proxies' configurations in docs/operations.md are ones that the programs accept."""

import subprocess

import pytest

from support.front import PROGRAMS, certificate, program_of, tried


@pytest.mark.parametrize("program", PROGRAMS)
def test_configuration_on_the_page_is_accepted(program, tmp_path):
    if program_of(program) is None:
        pytest.skip(f"{program} is not on this machine")
    if program_of("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not on this machine")
    certificate(tmp_path)
    check, _ = tried(program, tmp_path, 18443, ("127.0.0.1:18081", "127.0.0.1:18082"))
    done = subprocess.run(
        check, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
