"""`/plugins/`: register, list, show, change and delete plugins; the shown state is the answering node's."""

from typing import Annotated

from fastapi import Body, Header, Query
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.errors import BodyInvalidError, PreconditionFailedError
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.base import PageOf, Switch
from isp_plugins.api.schemas.operations import UninstallPlanOut
from isp_plugins.api.schemas.plugins import PluginChangesIn, PluginIn, PluginOut, PluginQuery
from isp_plugins.db.paging import page_of
from isp_plugins.lifecycle.directory import FILTERS
from isp_plugins.lifecycle.errors import (
    PluginDraftInvalidError,
    PluginNameTakenError,
    PluginStillNeededError,
    PluginUpdateFailedError,
    WrongStateError,
)
from isp_plugins.lifecycle.kept import Part
from isp_plugins.lifecycle.records import PluginChanges, PluginDraft
from isp_plugins.system import PluginSystem

router = resource("/plugins", "Plugins")

IfMatch = Annotated[
    str | None,
    Header(description="Only if the plugin's ETag is this one still (412 otherwise).", max_length=200),
]
Keep = Annotated[
    str | None,
    Query(
        description="What of it stays: some of `configuration`, `storage`, separated by commas.",
        max_length=200,
    ),
]
DropLogs = Annotated[Switch, Query(description="Also delete its log records.")]
DryRun = Annotated[Switch, Query(description="Only show what would be done.")]
Cascade = Annotated[Switch, Query(description="Also disable the plugins that need this one.")]


@router.get("/", response_model=PageOf[PluginOut], **needs(Scope.PLUGINS_READ))
async def list_plugins(system: System, caller: Caller, query: Annotated[PluginQuery, Query()]) -> Response:
    """List the plugins that this key may see."""
    asked = query.model_dump(mode="json", exclude_none=True)
    filters: dict[str, str] = {name: asked[name] for name in FILTERS if name in asked}
    if caller.plugins is None:
        return JsonBytes(system.directory.page_json(filters, query.sort, query.page, query.size))
    return JsonBytes(_visible_page(system, caller, query, filters))


@router.post(
    "/",
    status_code=201,
    response_model=PluginOut,
    **needs(Scope.PLUGINS_MANAGE, PluginNameTakenError, PluginDraftInvalidError),
)
async def register_plugin(system: System, caller: Caller, body: Annotated[PluginIn, Body()]) -> Response:
    """Register a plugin; it does not run before it is enabled."""
    caller.require(Scope.PLUGINS_MANAGE, plugin=body.name)
    record = await system.manager.register(
        PluginDraft.of(body.model_dump(mode="json", exclude_unset=True)), caller.actor
    )
    return plugin_answer(system, record.id, 201)


@router.get("/{plugin_id:id}", response_model=PluginOut, **needs(Scope.PLUGINS_READ))
async def get_plugin(system: System, plugin_id: int) -> Response:
    """Show a plugin; its ETag is its generation, which every change raises."""
    return plugin_answer(system, plugin_id)


@router.put(
    "/{plugin_id:id}",
    response_model=PluginOut,
    **needs(Scope.PLUGINS_MANAGE, PreconditionFailedError, PluginUpdateFailedError, WrongStateError),
)
async def update_plugin(
    system: System,
    caller: Caller,
    plugin_id: int,
    body: Annotated[PluginChangesIn, Body()],
    if_match: IfMatch = None,
) -> Response:
    """Change a plugin's registration; an active one is reloaded where the change needs it, and stays as it was if that fails."""
    await _check_etag(system, plugin_id, if_match)
    await system.manager.update(
        plugin_id, PluginChanges.of(body.model_dump(mode="json", exclude_unset=True)), caller.actor
    )
    return plugin_answer(system, plugin_id)


@router.delete(
    "/{plugin_id:id}",
    status_code=204,
    responses={200: {"model": UninstallPlanOut, "description": "The plan, with `dry_run`."}},
    **needs(Scope.PLUGINS_MANAGE, PluginStillNeededError, PreconditionFailedError),
)
async def delete_plugin(
    system: System,
    caller: Caller,
    plugin_id: int,
    *,
    cascade: Cascade = False,
    keep: Keep = None,
    drop_logs: DropLogs = False,
    dry_run: DryRun = False,
    if_match: IfMatch = None,
) -> Response:
    """Disable a plugin and drop everything of it: artifact, environment unless another plugin shares it, rows; logs and the audit trail stay.

    What `keep` names is found again by the next plugin of its name. With `dry_run` nothing is done, and the plan is shown (200).
    """
    await _check_etag(system, plugin_id, if_match)
    parts = parts_of(keep)
    if dry_run:
        return JsonBytes(dump(await system.uninstaller.plan(plugin_id, parts, drop_logs=drop_logs)))
    await system.uninstaller.uninstall(
        plugin_id, caller.actor, keep=parts, cascade=cascade, drop_logs=drop_logs
    )
    return Response(status_code=204)


def parts_of(text: str | None) -> frozenset[Part]:
    """The parts that a query names, separated by commas; `BodyInvalidError` for one that there is not."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Part)]
    if unknown:
        expected = ", ".join(Part)
        message = f"expected some of {expected}, separated by commas; got {unknown[0][:40]!r}"
        raise BodyInvalidError(
            summary=f"query.keep: {message}", mistakes=[{"path": "query.keep", "message": message}]
        )
    return frozenset(Part(name) for name in names)


def plugin_answer(system: PluginSystem, plugin_id: int, status: int = 200) -> Response:
    """A plugin as it is now, from memory, with its ETag."""
    return JsonBytes(system.directory.json(plugin_id), status, {"ETag": _etag(system, plugin_id)})


def _etag(system: PluginSystem, plugin_id: int) -> str:
    return f'"{system.directory.get(plugin_id).generation}"'


async def _check_etag(system: PluginSystem, plugin_id: int, if_match: str | None) -> None:
    """Refuse a change that was made on an older generation of the plugin."""
    await system.manager.convergence.catch_up(plugin_id)
    found = _etag(system, plugin_id)
    wanted = {tag.strip() for tag in (if_match or "*").split(",")}
    if "*" not in wanted and found not in wanted:
        raise PreconditionFailedError(expected=if_match, found=found)


def _visible_page(
    system: PluginSystem, caller: Principal, query: PluginQuery, filters: dict[str, str]
) -> bytes:
    """The page that a key limited to some plugins sees: the others do not count."""
    found = system.directory.page(filters, query.sort, 1, max(len(system.directory), 1)).items
    visible = [plugin.id for plugin in found if caller.allows_plugin(plugin.name)]
    page = page_of(visible, page=query.page, size=query.size)
    items = b",".join(system.directory.json(plugin_id) for plugin_id in page.items)
    rest = dump({"total": page.total, "page": page.page, "size": page.size, "pages": page.pages})
    return b'{"items":[%b],%b' % (items, rest[1:])
