"""`/plugins/install`: begins an installation from a URL or folder (JSON), or from a file that is sent (a form).

1. What can be refused at once is refused at once; everything else is told by the operation.
2. The file of a form is written to the disk as it comes, with a limit of its own.
3. A key that is limited to some plugins names the one that it expects, and gets no other.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.errors import (
    BodyInvalidError,
    BodyMissingError,
    FormMalformedError,
    KeyLimitedError,
    PreferInvalidError,
    UploadTooLargeError,
)
from isp_plugins.api.gate import GatedRoute, Handler, gated, needs, operation_id
from isp_plugins.api.handlers import problem_of_mistakes
from isp_plugins.api.json_body import check_media_type, parse, read_body
from isp_plugins.api.paths import API
from isp_plugins.api.resources.operations import operation_answer
from isp_plugins.api.schemas.operations import InstallIn, OperationOut
from isp_plugins.api.upload import FORM, Form, is_form, read_form
from isp_plugins.lifecycle.errors import LocalSourceMissingError, LocalSourceRefusedError, RegistryAbsentError
from isp_plugins.lifecycle.orders import InstallOrder, SourceType, digest_in, source_of
from isp_plugins.operations import Operation
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.system import PluginSystem

LONGEST_WAIT_S = 300
FILE = "file"
MIB = 1024 * 1024
_FLAGS = {"true": True, "false": False}

Prefer = Annotated[
    str | None,
    Header(description=f"`wait=N`: answer when it has ended, or after N seconds (0 to {LONGEST_WAIT_S})."),
]


async def _answer(request: Request) -> Response:
    """Read what is asked for, begin it, and wait for it if that is preferred."""
    system: PluginSystem = request.app.state.system
    principal: Principal = request.scope["state"]["principal"]
    seconds = wait_of(request.headers.get("prefer"))
    order = await order_of(request, system, lambda body: _admit(principal, body))
    operation = await system.installer.begin(order, principal.actor)
    return await waited_answer(system, operation, seconds)


async def waited_answer(system: PluginSystem, operation: Operation, seconds: float | None) -> Response:
    """The operation: 202 while it goes on, 200 when it has ended in the time that was given."""
    if seconds is None:
        return operation_answer(operation, 202)
    operation = await system.operations.wait(operation.id, seconds)
    return operation_answer(
        operation, 200 if operation.is_ended else 202, **{"Preference-Applied": f"wait={seconds:g}"}
    )


def wait_of(prefer: str | None) -> float | None:
    """The seconds of `Prefer: wait=N`; None where it says nothing of that. Other preferences are left alone, as RFC 7240 has it."""
    for preference in (prefer or "").split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            text = value.strip().strip('"')
            if not (text.isascii() and text.isdecimal()) or int(text) > LONGEST_WAIT_S:
                raise PreferInvalidError(got=preference.strip()[:40], most=LONGEST_WAIT_S)
            return float(text)
    return None


async def order_of(
    request: Request, system: PluginSystem, admit: Callable[[InstallIn], None]
) -> InstallOrder:
    """What is asked for, in either form; `admit` refuses what the caller may not."""
    if is_form(request.headers.get("content-type")):
        return await _uploaded(request, system, admit)
    settings = system.settings
    raw = await read_body(request, settings.max_body_bytes)
    if not raw:
        raise BodyMissingError(expected="{source_type, source_location, ...} as JSON, or a form with a file")
    check_media_type(request.headers.get("content-type"))
    body = _validated(parse(raw, max_depth=settings.max_json_depth))
    admit(body)
    if body.source_type is SourceType.UPLOAD:
        raise mistake("source_type", f"upload comes as {FORM} with the file, not as JSON")
    if not body.source_location:
        raise mistake("source_location", "is required")
    source = source_of(
        body.source_type,
        body.source_location,
        version=body.version,
        roots=settings.local_source_roots,
    )
    return _order_of(body, source)


async def _uploaded(
    request: Request, system: PluginSystem, admit: Callable[[InstallIn], None]
) -> InstallOrder:
    """A form, whose file is written to the disk before anything else is known."""
    folder = system.preparer.new_upload()
    limit = system.settings.package_max_mb * MIB
    try:
        form = await read_form(request, folder, file_field=FILE, limit=limit)
        body = _validated(_values(form, system.settings.max_json_depth))
        admit(body)
        return _order_of(body, _source_in(form, body), upload=folder)
    except BaseException:
        await system.preparer.drop_upload(folder)
        raise


def _source_in(form: Form, body: InstallIn) -> Source:
    if body.source_type is not SourceType.UPLOAD:
        raise mistake("source_type", "a form with a file is an upload")
    if form.file is None:
        raise mistake(FILE, "is required")
    return Source(SourceKind.UPLOAD, str(form.file), name=form.file_name)


def _order_of(body: InstallIn, source: Source, **more: Any) -> InstallOrder:
    return InstallOrder(
        source_type=body.source_type,
        source=source,
        name=body.name,
        version=body.version,
        digest=digest_in(body.digest),
        configuration=body.configuration,
        auto_enable=body.auto_enable,
        accept_grants=body.accept_grants,
        **more,
    )


def _values(form: Form, max_depth: int) -> dict[str, Any]:
    """The fields of a form as the JSON body would have them."""
    values: dict[str, Any] = {"source_type": SourceType.UPLOAD.value, **form.fields}
    if "configuration" in form.fields:
        values["configuration"] = parse(form.fields["configuration"].encode(), max_depth=max_depth)
    for flag in ("auto_enable", "accept_grants"):
        if flag in form.fields:
            values[flag] = _FLAGS.get(form.fields[flag], form.fields[flag])
    return values


def _validated(value: Any) -> InstallIn:
    try:
        return InstallIn.model_validate(value)
    except ValidationError as error:
        found = [{**mistake, "loc": ("body", *mistake["loc"])} for mistake in error.errors()]
        raise problem_of_mistakes(found) from None


def _admit(principal: Principal, body: InstallIn) -> None:
    """Let a limited key install what it names and may manage."""
    if principal.plugins is not None and body.name is None:
        raise KeyLimitedError(what="an installation that names no plugin (`name`)")
    principal.require(Scope.PLUGINS_MANAGE, plugin=body.name)


def mistake(path: str, message: str) -> BodyInvalidError:
    """One thing that is wrong with what was sent."""
    return BodyInvalidError(summary=f"{path}: {message}", mistakes=[{"path": path, "message": message}])


class InstallRoute(GatedRoute):
    """Documented like every route, but its body is read here: JSON or a form."""

    def get_route_handler(self) -> Handler:
        """The handler behind the gate, which leaves the body to it."""
        return gated(_answer, **(self.demands() | {"reads_json": False}))


router = APIRouter(
    prefix=API, tags=["Operations"], route_class=InstallRoute, generate_unique_id_function=operation_id
)
REFUSALS = (
    RegistryAbsentError,
    LocalSourceRefusedError,
    LocalSourceMissingError,
    FormMalformedError,
    UploadTooLargeError,
    PreferInvalidError,
)
UPLOAD_BODY = {"content": {FORM: {"schema": {"$ref": "#/components/schemas/InstallUploadIn"}}}}
_NEEDS = needs(Scope.PLUGINS_MANAGE, *REFUSALS)
_NEEDS["openapi_extra"]["requestBody"] = UPLOAD_BODY


@router.post("/plugins/install", status_code=202, response_model=OperationOut, **_NEEDS)
async def install_plugin(body: Annotated[InstallIn, Body()], prefer: Prefer = None) -> None:
    """Install a plugin: 202 with the operation that does it, `Location` where it is found. With `Prefer: wait=N` 200 when it has ended in time.

    A failed installation leaves the machine as it was; the operation's `error` says in which step it failed, why, and what to do.
    """
