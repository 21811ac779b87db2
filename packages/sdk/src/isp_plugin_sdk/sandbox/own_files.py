"""The files that a Python worker's interpreter itself needs: read before the sandbox closes, so that the host need not know them.

1. Of the system only libraries, time zones, certificates and a few tables: nothing that holds a secret, a user or a configuration of the host's.
2. Of `/proc` only its own folder and two tables of the machine; of `/dev` what has no state.
"""

import os
import sys
from collections.abc import Iterator

SYSTEM = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/services",
    "/etc/protocols",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu/online",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
OWN_PROCESS = "/proc/self"
DISCARD = "/dev/null"
PROGRAMS = ("/usr/bin", "/bin", "/usr/local/bin")
"""What a worker that may start processes may run, beside its interpreter."""
_SYSTEM_PREFIXES = frozenset({"/", "/usr", "/usr/local"})


def interpreter() -> Iterator[str]:
    """The folders of this interpreter, its environment and what it imports from now."""
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}:
        if os.path.normpath(prefix) not in _SYSTEM_PREFIXES:
            yield os.path.realpath(prefix)
    yield os.path.dirname(os.path.realpath(os.__file__))  # noqa: PTH120  pathlib costs a worker's start
    for entry in sys.path:
        if entry and os.path.normpath(entry) not in _SYSTEM_PREFIXES:
            yield os.path.realpath(entry)


def programs() -> Iterator[str]:
    """Folders and files whose programs a worker with the grant `processes` may run."""
    yield from PROGRAMS
    yield os.path.realpath(sys.executable)
