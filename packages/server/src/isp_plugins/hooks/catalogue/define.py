"""How a domain's module states its hooks: one call each, of the kind that the hook is.

1. Kind, policies, sample and the names in other systems are stated; payload class, description and schema follow from the SDK.
2. `plugin_*`, `system_*` and `scheduler_*` hooks are internal: only the host dispatches them.
3. `mutable` names the top-level fields that a filter may change; nobody may change an action's payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.payloads import PAYLOADS
from isp_plugins.contracts.hooks import DEFAULT_DEADLINE_MS, HookSpec
from isp_plugins.contracts.vocabulary import HookKind
from isp_plugins.hooks.catalogue.schemas import description_of, payload_schema

INTERNAL_PREFIXES = ("plugin_", "system_", "scheduler_")


def is_internal(name: str) -> bool:
    """Whether only the host may dispatch a hook of this name."""
    return name.startswith(INTERNAL_PREFIXES)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the catalogue; its methods make specs.

    All take the hook's `sample` payload, the `key` field that orders its events, its `deadline_ms`, and the event of TM Forum, UISP
    and WHMCS that an adapter maps to it.
    """

    name: str

    def fact(
        self,
        hook: str,
        *,
        sample: Mapping[str, Any],
        key: str | None = None,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
        tmf: str | None = None,
        uisp: str | None = None,
        whmcs: str | None = None,
    ) -> HookSpec:
        """An action after the fact: it tells of what has happened, and no subscriber's failure reaches the caller."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.ACTION,
            after_the_fact=True,
            mutable=(),
            sample=sample,
            key=key,
            deadline_ms=deadline_ms,
            tmf=tmf,
            uisp=uisp,
            whmcs=whmcs,
        )

    def action(
        self,
        hook: str,
        *,
        sample: Mapping[str, Any],
        key: str | None = None,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
        tmf: str | None = None,
        uisp: str | None = None,
        whmcs: str | None = None,
    ) -> HookSpec:
        """An action that asks for work: the subscribers do it, in order."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.ACTION,
            mutable=(),
            sample=sample,
            key=key,
            deadline_ms=deadline_ms,
            tmf=tmf,
            uisp=uisp,
            whmcs=whmcs,
        )

    def filter(
        self,
        hook: str,
        *,
        sample: Mapping[str, Any],
        mutable: tuple[str, ...],
        veto: bool = False,
        fail_closed: bool = False,
        key: str | None = None,
        deadline_ms: int = DEFAULT_DEADLINE_MS,
        tmf: str | None = None,
        uisp: str | None = None,
        whmcs: str | None = None,
    ) -> HookSpec:
        """A value threaded through the subscribers; with `veto` they may reject it, with `fail_closed` a failing one stops the dispatch."""
        return HookSpec(
            **self._of_payload(hook),
            kind=HookKind.FILTER,
            veto=veto,
            fail_closed=fail_closed,
            mutable=mutable,
            sample=sample,
            key=key,
            deadline_ms=deadline_ms,
            tmf=tmf,
            uisp=uisp,
            whmcs=whmcs,
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
