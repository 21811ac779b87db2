"""The templates that there are: those that ship and those in the database, shown as one list; operators change only their own.

1. A name is one template: what ships keeps its names, and the database's constraint tells of two operators at the same moment.
2. A template is checked in the renderer's child process before it is kept.
3. Every change is written with its audit entry.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page, page_of
from isp_plugins.db.tables import PluginTemplate
from isp_plugins.templates.definition import Origin, Template, Variable
from isp_plugins.templates.errors import (
    TemplateLimitError,
    TemplateNameTakenError,
    TemplateNotFoundError,
    TemplateShippedError,
)
from isp_plugins.templates.limits import MAX_TEMPLATES
from isp_plugins.templates.renderer import Renderer
from isp_plugins.templates.shipped import shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """A template in a list."""

    name: str
    description: str
    plugin_type: str
    origin: Origin
    variables: tuple[Variable, ...]
    created_at: datetime | None
    """None: it ships."""
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateView(TemplateSummary):
    """A template with its files."""

    files: Mapping[str, str]

    @property
    def template(self) -> Template:
        """The template alone."""
        return Template(self.name, self.description, self.plugin_type, self.variables, self.files)


@dataclass(frozen=True, slots=True)
class TemplateFilters:
    """Which templates are listed; what is None filters nothing."""

    q: str | None = None
    """Part of the name or the description, whatever its case."""
    plugin_type: str | None = None
    origin: Origin | None = None

    def let_through(self, summary: TemplateSummary) -> bool:
        """Whether a template is listed."""
        words = f"{summary.name} {summary.description}".casefold()
        return (
            (self.q is None or self.q.casefold() in words)
            and self.plugin_type in {None, summary.plugin_type}
            and self.origin in {None, summary.origin}
        )


class TemplateStore:
    """Every template of one database, and of the product."""

    def __init__(
        self, database: Database, audit: AuditLog, *, clock: Clock, renderer: Renderer | None = None
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._renderer = renderer or Renderer()

    async def page(self, filters: TemplateFilters, *, page: int = 1, size: int = 50) -> Page[TemplateSummary]:
        """Templates by name, those that ship first."""
        table = PluginTemplate
        columns = (
            table.name,
            table.description,
            table.plugin_type,
            table.variables,
            table.created_at,
            table.updated_at,
        )
        async with self._database.reading() as session:
            rows = (await session.execute(select(*columns).order_by(table.name))).all()
        found = [*map(_shipped_summary, shipped().values()), *map(_own_summary, rows)]
        return page_of([each for each in found if filters.let_through(each)], page=page, size=size)

    async def show(self, name: str) -> TemplateView:
        """One template with its files; `TemplateNotFoundError`."""
        if (template := shipped().get(name)) is not None:
            return _shipped_view(template)
        async with self._database.reading() as session:
            return _view(await _row(session, name))

    async def create(self, template: Template, actor: Actor) -> TemplateView:
        """Keep a new template; `TemplateInvalidError` with every mistake, `TemplateNameTakenError`, `TemplateLimitError`."""
        await self._renderer.check(template)
        if template.name in shipped():
            raise TemplateNameTakenError(name=template.name)
        now = self._clock.now()
        row = PluginTemplate(created_at=now, **_columns(template, now))
        async with self._database.transaction() as session:
            await _check_room(session, template.name)
            session.add(row)
            try:
                await session.flush()
            except IntegrityError as error:
                raise TemplateNameTakenError(name=template.name) from error
            await self._record(session, AuditTag.TEMPLATE_CREATED, template, actor)
        return _view(row)

    async def update(self, name: str, changes: Mapping[str, Any], actor: Actor) -> TemplateView:
        """Change an own template's `description`, `plugin_type`, `variables` or `files`, each as a whole; as for `create`."""
        present = (await self._own(name)).template
        template = Template.of(present.to_dict() | dict(changes) | {"name": name})
        await self._renderer.check(template)
        async with self._database.transaction() as session:
            row = await _row(session, name)
            for column, value in _columns(template, self._clock.now()).items():
                setattr(row, column, value)
            await session.flush()
            await self._record(session, AuditTag.TEMPLATE_UPDATED, template, actor, changed=sorted(changes))
        return _view(row)

    async def delete(self, name: str, actor: Actor) -> None:
        """Remove an own template; `TemplateNotFoundError`, `TemplateShippedError`."""
        template = (await self._own(name)).template
        async with self._database.transaction() as session:
            await session.delete(await _row(session, name))
            await session.flush()
            await self._record(session, AuditTag.TEMPLATE_DELETED, template, actor)

    async def render(self, name: str, values: Mapping[str, Any]) -> dict[str, str]:
        """A template's files over these variables; `VariablesInvalidError`, `RenderError`, `RenderLimitError`."""
        return await self._renderer.render((await self.show(name)).template, values)

    async def _own(self, name: str) -> TemplateView:
        """A template that may be changed."""
        view = await self.show(name)
        if view.origin is Origin.SHIPPED:
            raise TemplateShippedError(name=name)
        return view

    async def _record(
        self, session: AsyncSession, tag: AuditTag, template: Template, actor: Actor, **more: Any
    ) -> None:
        details = {"plugin_type": template.plugin_type, "files": len(template.files), **more}
        await self._audit.record(session, tag, actor, subject=("template", template.name), details=details)


async def _row(session: AsyncSession, name: str) -> PluginTemplate:
    row = await session.scalar(select(PluginTemplate).where(PluginTemplate.name == name))
    if row is None:
        close = difflib.get_close_matches(name, shipped(), n=1)
        raise TemplateNotFoundError(name=name, hint=f" (did you mean {close[0]!r}?)" if close else "")
    return row


async def _check_room(session: AsyncSession, name: str) -> None:
    """See that one more may come, and that none is called that."""
    table = PluginTemplate
    if await session.scalar(select(table.id).where(table.name == name)) is not None:
        raise TemplateNameTakenError(name=name)
    if (await session.scalar(select(func.count()).select_from(table)) or 0) >= MAX_TEMPLATES:
        raise TemplateLimitError(limit=MAX_TEMPLATES)


def _columns(template: Template, now: datetime) -> dict[str, Any]:
    return template.to_dict() | {"updated_at": now}


def _variables(raw: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    return tuple(Variable.of(each) for each in raw)


def _own_summary(row: Row[Any]) -> TemplateSummary:
    fields = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name for a row as a mapping
    return TemplateSummary(**fields | {"variables": _variables(fields["variables"]), "origin": Origin.OWN})


def _view(row: PluginTemplate) -> TemplateView:
    return TemplateView(
        name=row.name,
        description=row.description,
        plugin_type=row.plugin_type,
        origin=Origin.OWN,
        variables=_variables(row.variables),
        created_at=row.created_at,
        updated_at=row.updated_at,
        files=dict(sorted(row.files.items())),
    )


def _shipped_summary(template: Template) -> TemplateSummary:
    return TemplateSummary(
        name=template.name,
        description=template.description,
        plugin_type=template.plugin_type,
        origin=Origin.SHIPPED,
        variables=template.variables,
        created_at=None,
        updated_at=None,
    )


def _shipped_view(template: Template) -> TemplateView:
    return TemplateView(
        name=template.name,
        description=template.description,
        plugin_type=template.plugin_type,
        origin=Origin.SHIPPED,
        variables=template.variables,
        created_at=None,
        updated_at=None,
        files=dict(sorted(template.files.items())),
    )
