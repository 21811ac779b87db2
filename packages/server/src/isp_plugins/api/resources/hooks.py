"""`/hooks`: every hook that the host knows or that somebody subscribes to, its contract, and its chain as it would run."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.hooks import CountersOut, HookDetailOut, HookOut, HookQuery
from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.db.paging import page_of
from isp_plugins.hooks.catalogue import CATALOGUE, spec_of
from isp_plugins.hooks.engine import ChainEntry
from isp_plugins.hooks.errors import HookNameInvalidError
from isp_plugins.system import PluginSystem

router = resource("/hooks", "Hooks")

HookNamePath = Annotated[
    str,
    Path(description="Name of the hook.", pattern=r"^[a-z][a-z0-9_]{0,99}$", examples=["customer_created"]),
]


@router.get("", response_model=PageOf[HookOut], **needs(Scope.HOOKS_READ))
async def list_hooks(system: System, caller: Caller, query: Annotated[HookQuery, Query()]) -> Response:
    """List the catalogue's hooks, and the ISP's own ones that somebody subscribes to, by name."""
    found = [hook for hook in _hooks(system) if _wanted(hook, query) and caller.allows_hook(hook["name"])]
    page = page_of(found, page=query.page, size=query.size)
    return JsonBytes(
        dump(
            {
                "items": page.items,
                "total": page.total,
                "page": page.page,
                "size": page.size,
                "pages": page.pages,
            }
        )
    )


@router.get("/{hook_name}", response_model=HookDetailOut, **needs(Scope.HOOKS_READ, HookNameInvalidError))
async def get_hook(system: System, hook_name: HookNamePath) -> Response:
    """Show a hook's contract, its payload's schema, a sample, and the chain as it would run, with conditions, deadlines and counters."""
    spec = spec_of(hook_name)
    chain = [_link(system, entry) for entry in system.engine.describe(hook_name)]
    return JsonBytes(dump(_in_short(spec, len(chain)) | _in_full(spec, chain)))


def _hooks(system: PluginSystem) -> Iterable[dict[str, Any]]:
    """Every hook in short, by name."""
    names = sorted(set(CATALOGUE) | set(system.engine.hooks()))
    return (_in_short(spec_of(name), len(system.engine.describe(name))) for name in names)


def _wanted(hook: dict[str, Any], query: HookQuery) -> bool:
    """Whether a hook passes every filter."""
    text = (query.q or "").casefold()
    return (
        text in f"{hook['name']}\n{hook['description']}".casefold()
        and query.domain in {None, hook["domain"]}
        and query.kind in {None, hook["kind"]}
        and query.subscribed in {None, hook["subscriptions"] > 0}
    )


def _in_short(spec: HookSpec, subscriptions: int) -> dict[str, Any]:
    """A hook as the list shows it."""
    return {
        "name": spec.name,
        "kind": spec.kind.value,
        "domain": spec.domain,
        "description": spec.description,
        "veto": spec.veto,
        "after_the_fact": spec.after_the_fact,
        "internal": spec.internal,
        "known": spec.known,
        "deadline_ms": spec.deadline_ms,
        "subscriptions": subscriptions,
    }


def _in_full(spec: HookSpec, chain: list[dict[str, Any]]) -> dict[str, Any]:
    """What a hook's own page adds."""
    return {
        "schema": dict(spec.schema),
        "sample": dict(spec.sample),
        "mutable": list(spec.mutable) if spec.mutable is not None else None,
        "key": spec.key,
        "fail_closed": spec.fail_closed,
        "tmf": spec.tmf,
        "uisp": spec.uisp,
        "whmcs": spec.whmcs,
        "chain": chain,
    }


def _link(system: PluginSystem, entry: ChainEntry) -> dict[str, Any]:
    """One subscription of the chain, its counters apart; what its plugin said in an error is masked."""
    shown = entry.to_dict()
    counters = {name: shown.pop(name) for name in CountersOut.model_fields}
    if counters["last_error"] is not None:
        counters["last_error"] = system.logs.masked(entry.plugin_id, counters["last_error"])
    if counters["last_run"] is not None:
        counters["last_run"] = datetime.fromtimestamp(counters["last_run"], UTC)
    shown["breaker"] = system.manager.breaker(entry.plugin_id).to_dict()
    return shown | {"runs": entry.skip_reason is None, "counters": counters}
