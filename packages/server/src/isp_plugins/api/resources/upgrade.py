"""`/plugins/{plugin_id}/upgrade`, `/rollback` and `/releases`: another version of an installed plugin, and the way back."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import GatedRoute, Handler, gated, needs, operation_id, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.paths import API
from isp_plugins.api.resources.install import (
    REFUSALS,
    UPLOAD_BODY,
    Prefer,
    mistake,
    order_of,
    wait_of,
    waited_answer,
)
from isp_plugins.api.schemas.operations import InstallIn, KeptReleasesOut, OperationOut, RollbackIn
from isp_plugins.lifecycle.errors import NotInstalledError, ReleaseNotKeptError
from isp_plugins.lifecycle.upgrading import UpgradeOrder
from isp_plugins.system import PluginSystem

_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})

DryRun = Annotated[bool, Query(description="Only tell what would change; nothing is kept of it.")]
Downgrade = Annotated[bool, Query(description="Take a lower version, too.")]


async def _answer(request: Request) -> Response:
    """Read what is asked for, begin it, and wait for it if that is preferred."""
    system: PluginSystem = request.app.state.system
    principal: Principal = request.scope["state"]["principal"]
    plugin_id: int = request.path_params["plugin_id"]
    seconds = wait_of(request.headers.get("prefer"))
    dry_run, downgrade = _flag(request, "dry_run"), _flag(request, "allow_downgrade")
    order = UpgradeOrder(
        plugin_id=plugin_id,
        package=await order_of(request, system, _refuse_enabling),
        dry_run=dry_run,
        allow_downgrade=downgrade,
    )
    operation = await system.upgrader.begin(order, principal.actor)
    return await waited_answer(system, operation, seconds)


def _refuse_enabling(body: InstallIn) -> None:
    if body.auto_enable:
        raise mistake("auto_enable", "an upgrade leaves the plugin enabled or disabled, as it is")


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "false").lower()
    if value not in _TRUE | _FALSE:
        raise mistake(name, f"expected true or false, got {value[:40]!r}")
    return value in _TRUE


class UpgradeRoute(GatedRoute):
    """Documented like every route, but its body is read here: JSON or a form."""

    def get_route_handler(self) -> Handler:
        """The handler behind the gate, which leaves the body to it."""
        return gated(_answer, **(self.demands() | {"reads_json": False}))


upgrades = APIRouter(
    prefix=API, tags=["Operations"], route_class=UpgradeRoute, generate_unique_id_function=operation_id
)
own = resource("/plugins/{plugin_id:id}", "Operations")
_NEEDS = needs(Scope.PLUGINS_MANAGE, NotInstalledError, *REFUSALS)
_NEEDS["openapi_extra"]["requestBody"] = UPLOAD_BODY


@upgrades.post("/plugins/{plugin_id:id}/upgrade", status_code=202, response_model=OperationOut, **_NEEDS)
async def upgrade_plugin(
    plugin_id: int,
    body: Annotated[InstallIn, Body()],
    *,
    dry_run: DryRun = False,
    allow_downgrade: Downgrade = False,
    prefer: Prefer = None,
) -> None:
    """Upgrade an installed plugin from a package; the body is that of an installation. 202 with the operation that does it.

    The new version starts beside the old one, with the configuration that its `migrate` makes, and takes over in one step; a failure leaves
    the old one. For a while it is watched: where it does harm, the old version returns by itself, with configuration and stored values as they were.
    """


@own.post(
    "/rollback",
    status_code=202,
    response_model=OperationOut,
    **needs(Scope.PLUGINS_MANAGE, NotInstalledError, ReleaseNotKeptError),
)
async def rollback_plugin(
    system: System,
    caller: Caller,
    plugin_id: int,
    body: Annotated[RollbackIn, Body()],
    prefer: Prefer = None,
) -> Response:
    """Return a plugin to a kept version, with configuration, subscriptions and stored values as they were when it was left. 202 with the operation."""
    seconds = wait_of(prefer)
    operation = await system.upgrader.begin_rollback(plugin_id, caller.actor, to=body.to)
    return await waited_answer(system, operation, seconds)


@own.get("/releases", response_model=KeptReleasesOut, **needs(Scope.PLUGINS_READ))
async def list_releases(system: System, caller: Caller, plugin_id: int) -> Response:
    """List what is kept of a plugin, the newest first."""
    return JsonBytes(dump({"items": await system.upgrader.releases(plugin_id)}))


router = APIRouter()
router.routes.extend([*upgrades.routes, *own.routes])
