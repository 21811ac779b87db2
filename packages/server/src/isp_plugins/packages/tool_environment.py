"""The environment variables that the tools get: nothing of the host's own beside how to reach the network."""

import os
from pathlib import Path

PASSED_ON = (
    "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "all_proxy", "no_proxy", "SSH_AUTH_SOCK",
)  # fmt: skip


def base_environment(home: Path) -> dict[str, str]:
    """What every tool gets; `home` is a folder of its own."""
    passed = {name: value for name in PASSED_ON if (value := os.environ.get(name))}
    return {"PATH": os.defpath, **passed, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}
