"""What one worker may do, as values: the host makes a policy of grants (`granting`) and hands it to the child as JSON. Pure.

1. A policy is complete: what does not stand in it is denied. The child adds only what its interpreter itself reads.
2. `Enforcement.REQUIRE` starts nothing without the full set, `BEST_EFFORT` starts with what there is and says so, `OFF` applies nothing.
"""

import json
from enum import StrEnum
from typing import NamedTuple

from isp_plugin_sdk.sandbox.errors import PolicyInvalidError

DEFAULT_MEMORY_MB, DEFAULT_OPEN_FILES, DEFAULT_FILE_MB = 512, 1024, 256


class Enforcement(StrEnum):
    """How much of the sandbox must be there."""

    REQUIRE = "require"
    """All of it, or the worker does not start."""
    BEST_EFFORT = "best-effort"
    """What this kernel and this user can give; what is missing is reported."""
    OFF = "off"
    """Nothing is applied."""


class SandboxPolicy(NamedTuple):
    """What one worker may do; pure values."""

    enforcement: Enforcement = Enforcement.BEST_EFFORT
    read: tuple[str, ...] = ()
    """Files and folders to read, beside the interpreter's own."""
    write: tuple[str, ...] = ()
    """Files and folders to read and write."""
    granted: tuple[str, ...] = ()
    """Those of `read` and `write` that a plugin asked for: opened without following any symbolic link."""
    execute: tuple[str, ...] = ()
    """Programs that it may become (a plugin in another language), although it may start none."""
    native_ports: tuple[int, ...] = ()
    """TCP ports to which it may connect by itself; without any it cannot connect, only be handed connections."""
    accept: bool = False
    """Whether it may take connections from a listening socket that the host hands it; it can make none itself."""
    processes: bool = False
    memory_mb: int | None = DEFAULT_MEMORY_MB
    cpu_seconds: int | None = None
    open_files: int | None = DEFAULT_OPEN_FILES
    file_mb: int | None = DEFAULT_FILE_MB
    threads: int | None = None
    """Threads and processes of its user; only where it has a user of its own."""
    uid: int | None = None
    """The user to become, where it is started as root; None: it stays who it is."""
    gid: int | None = None
    file_attributes: bool = False
    """Whether it may change modes, times and owners of files even where neither a view nor a user of its own keeps that to its own files:
    builds cannot do without. Then the files are reported as not held."""
    namespaces: bool = True
    """Whether it gets namespaces of its own where the kernel lets it."""

    def to_json(self) -> str:
        """The text that the host hands to the child."""
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "SandboxPolicy":
        """Read it back; raises `PolicyInvalidError` for anything that `to_json` did not write."""
        try:
            values = json.loads(text)
            unknown = set(values) - set(cls._fields)
            if unknown:
                raise PolicyInvalidError(
                    expected=f"only {', '.join(cls._fields)}", got=", ".join(sorted(unknown))
                )
            lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            return cls(**values | lists | {"enforcement": Enforcement(values["enforcement"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, PolicyInvalidError):
                raise
            raise PolicyInvalidError(expected="the JSON of a policy", got=repr(text[:200])) from error
