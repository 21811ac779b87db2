"""How a domain's module states its hooks: one call each, of the kind that the hook is.

1. Kind, policies, sample and the names in other systems are stated; payload class, description and schema follow from the SDK.
2. `plugin_*`, `system_*` and `scheduler_*` hooks are internal: only the host dispatches them.
3. `mutable` names the top-level fields that a filter may change; nobody may change an action's payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from isp_plugin_sdk.payloads import PAYLOADS
from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import HookKind
from isp_plugins.hooks.catalogue.schemas import description_of, payload_schema

INTERNAL_PREFIXES = ("plugin_", "system_", "scheduler_")


def is_internal(name: str) -> bool:
    """Whether only the host may dispatch a hook of this name."""
    return name.startswith(INTERNAL_PREFIXES)


class More(TypedDict, total=False):
    """What any spec may say beside its kind, policies and sample."""

    key: str
    """The payload's field that orders its events."""
    deadline_ms: int
    """Of a dispatch; 5000 where nothing is said."""
    tmf: str
    """The event of TM Forum that an adapter maps to it."""
    uisp: str
    """The same of UISP."""
    whmcs: str
    """The same of WHMCS."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the catalogue; its methods make specs."""

    name: str

    def fact(self, hook: str, *, sample: Mapping[str, Any], **more: Unpack[More]) -> HookSpec:
        """An action after the fact: it tells of what has happened, and no subscriber's failure reaches the caller."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.ACTION,
            after_the_fact=True,
            mutable=(),
            sample=sample,
            **more,
        )

    def action(self, hook: str, *, sample: Mapping[str, Any], **more: Unpack[More]) -> HookSpec:
        """An action that asks for work: the subscribers do it, in order."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.ACTION,
            mutable=(),
            sample=sample,
            **more,
        )

    def filter(
        self,
        hook: str,
        *,
        sample: Mapping[str, Any],
        mutable: tuple[str, ...],
        veto: bool = False,
        fail_closed: bool = False,
        **more: Unpack[More],
    ) -> HookSpec:
        """A value threaded through the subscribers; with `veto` they may reject it, with `fail_closed` a failing one stops the dispatch."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.FILTER,
            veto=veto,
            fail_closed=fail_closed,
            mutable=mutable,
            sample=sample,
            **more,
        )

    def _of_payload(self, hook: str) -> dict[str, Any]:
        """What the SDK's payload class says."""
        payload = PAYLOADS[hook]
        return {
            "name": hook,
            "domain": self.name,
            "description": description_of(payload),
            "schema": payload_schema(payload),
            "internal": is_internal(hook),
        }
