"""`/plugins/templates`: what new plugins are started from; those that ship cannot be changed, operators add their own."""

from typing import Annotated, Any

from fastapi import Body, Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.templates import (
    RenderFormat,
    RenderIn,
    RenderOut,
    RenderQuery,
    TemplateChangesIn,
    TemplateIn,
    TemplateOut,
    TemplateQuery,
    TemplateSummaryOut,
)
from isp_plugins.db.paging import Page
from isp_plugins.templates.archive import zipped
from isp_plugins.templates.definition import Template
from isp_plugins.templates.errors import (
    RenderError,
    RenderLimitError,
    TemplateInvalidError,
    TemplateLimitError,
    TemplateNameTakenError,
    TemplateShippedError,
    TemplateTooLargeError,
    VariablesInvalidError,
)
from isp_plugins.templates.store import TemplateFilters, TemplateSummary, TemplateView

ZIP = "application/zip"
router = resource("/plugins/templates", "Templates")


@router.get("", response_model=PageOf[TemplateSummaryOut], **needs(Scope.TEMPLATES_READ))
async def list_templates(system: System, query: Annotated[TemplateQuery, Query()]) -> Page[TemplateSummary]:
    """List templates, those that ship first, without their files."""
    filters = TemplateFilters(**query.model_dump(exclude={"page", "size"}))
    return await system.templates.page(filters, page=query.page, size=query.size)


@router.post(
    "",
    status_code=201,
    response_model=TemplateOut,
    **needs(
        Scope.TEMPLATES_MANAGE,
        RenderLimitError,
        TemplateInvalidError,
        TemplateLimitError,
        TemplateNameTakenError,
        TemplateTooLargeError,
    ),
)
async def create_template(
    system: System, caller: Caller, body: Annotated[TemplateIn, Body()]
) -> TemplateView:
    """Add a template of your own. It is checked first; every mistake is told."""
    return await system.templates.create(Template.of(body.model_dump(mode="json")), caller.actor)


@router.get("/{template:name}", response_model=TemplateOut, **needs(Scope.TEMPLATES_READ))
async def get_template(system: System, template: str) -> TemplateView:
    """Show a template with its files and variables."""
    return await system.templates.show(template)


@router.put(
    "/{template:name}",
    response_model=TemplateOut,
    **needs(
        Scope.TEMPLATES_MANAGE,
        RenderLimitError,
        TemplateInvalidError,
        TemplateShippedError,
        TemplateTooLargeError,
    ),
)
async def update_template(
    system: System, caller: Caller, template: str, body: Annotated[TemplateChangesIn, Body()]
) -> TemplateView:
    """Change a template of your own; each field given replaces the one before."""
    changes = body.model_dump(mode="json", exclude_unset=True)
    return await system.templates.update(template, changes, caller.actor)


@router.delete("/{template:name}", status_code=204, **needs(Scope.TEMPLATES_MANAGE, TemplateShippedError))
async def delete_template(system: System, caller: Caller, template: str) -> None:
    """Remove a template of your own; plugins that were started from it are not touched."""
    await system.templates.delete(template, caller.actor)


@router.post(
    "/{template:name}/render",
    response_model=RenderOut,
    responses={200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
    **needs(Scope.TEMPLATES_MANAGE, RenderError, RenderLimitError, VariablesInvalidError),
)
async def render_template(
    system: System,
    template: str,
    body: Annotated[RenderIn, Body()],
    query: Annotated[RenderQuery, Query()],
) -> Any:
    """Render a template to the files of a plugin; a missing or bad variable is refused with all mistakes at once."""
    files = await system.templates.render(template, body.variables)
    if query.format is RenderFormat.JSON:
        return RenderOut(template=template, files=dict(sorted(files.items())))
    folder = _folder_of(template, body.variables)
    headers = {"Content-Disposition": f'attachment; filename="{folder}.zip"'}
    return Response(zipped(files, folder=folder), media_type=ZIP, headers=headers)


def _folder_of(template: str, variables: dict[str, Any]) -> str:
    """What the archive's folder is called: the plugin's name where that was given, else the template's."""
    name = variables.get("name")
    return name if isinstance(name, str) and name.isascii() and name.isidentifier() else template
