"""Which host calls and secrets a plugin was granted, decided where the worker cannot reach: in the host. Pure.

1. A host call is `storage` as a whole, `dispatch` of a hook or `emit` of one; a grant's hook may end in `*`.
2. A secret that is not granted is left out of the configuration before it is handed over; the plugin sees no value at all.
3. What was registered without a manifest asked for nothing and was trusted as a whole: `TRUSTED` grants every call and secret.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.sandbox.grants import STORAGE, Grants
from isp_plugins.contracts.grants import Denial, DenialKind

DISPATCH, EMIT = "dispatch", "emit"


@dataclass(frozen=True, slots=True)
class GrantCheck:
    """The grants of one plugin, as its host calls are checked against them."""

    host_calls: tuple[str, ...] = ()
    secrets: frozenset[str] | None = frozenset()
    """None: every secret."""

    @classmethod
    def of(cls, grants: Grants) -> "GrantCheck":
        """What these grants allow."""
        return cls(grants.host_calls, frozenset(grants.secrets))

    def storage(self) -> Denial | None:
        """None where the plugin may use its storage, else the denial."""
        return None if STORAGE in self.host_calls else _denial(STORAGE)

    def dispatch(self, hook: str) -> Denial | None:
        """None where it may run this hook."""
        return self._hook(DISPATCH, hook)

    def emit(self, hook: str) -> Denial | None:
        """None where it may tell this event."""
        return self._hook(EMIT, hook)

    def configuration(
        self, values: Mapping[str, Any], secret_keys: Collection[str]
    ) -> tuple[dict[str, Any], tuple[Denial, ...]]:
        """The configuration without secrets that are not granted, and a denial for each of those."""
        granted = self.secrets
        if granted is None:
            return dict(values), ()
        withheld = [key for key in values if key in secret_keys and key not in granted]
        denials = tuple(Denial(DenialKind.SECRET, key, f'secrets = ["{key}"]') for key in withheld)
        return {key: value for key, value in values.items() if key not in withheld}, denials

    def _hook(self, kind: str, hook: str) -> Denial | None:
        """None where a grant of this kind fits the hook."""
        for call in self.host_calls:
            granted_kind, _, pattern = call.partition(":")
            if granted_kind == kind and _fits(pattern or "*", hook):
                return None
        return _denial(f"{kind}:{hook}")


TRUSTED = GrantCheck(host_calls=(STORAGE, f"{DISPATCH}:*", f"{EMIT}:*"), secrets=None)
"""For a plugin without a manifest: it asked for nothing, and the operator trusted it as a whole."""


def _fits(pattern: str, hook: str) -> bool:
    """Whether a hook's name is the granted one, or begins like it where that ends in `*`."""
    return hook.startswith(pattern[:-1]) if pattern.endswith("*") else hook == pattern


def _denial(call: str) -> Denial:
    """The denial of a host call."""
    return Denial(DenialKind.HOST_CALL, call[:200], f'host_calls = ["{call[:150]}"]')
