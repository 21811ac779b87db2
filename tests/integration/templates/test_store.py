"""Templates in real databases: one list with those that ship, every change audited, names taken once."""

import asyncio

import pytest

from isp_plugins.actors import LOCAL
from isp_plugins.audit import AuditFilters, AuditLog
from isp_plugins.templates import store as room
from isp_plugins.templates.definition import Origin, Template, Variable
from isp_plugins.templates.errors import (
    TemplateInvalidError,
    TemplateLimitError,
    TemplateNameTakenError,
    TemplateNotFoundError,
    TemplateShippedError,
)
from isp_plugins.templates.store import TemplateFilters, TemplateStore

ALL = TemplateFilters()


@pytest.fixture
def trail(database, keyring, clock):
    """The audit trail of that database."""
    return AuditLog(database, keyring, node="local", clock=clock)


@pytest.fixture
def store(database, trail, clock):
    """The templates of that database."""
    return TemplateStore(database, trail, clock=clock)


def draft(name="mine", **changes):
    """A template to add."""
    variables = (Variable("name", "Its name"), Variable("class_name", default="{{ name | pascal }}"))
    fields = {"description": "Our own", "plugin_type": "CUSTOM", "variables": variables}
    return Template(name=name, **fields | {"files": {"b.txt": "{{ class_name }}", "a.txt": "é"}} | changes)


async def tags(trail):
    """What the audit trail tells, oldest first."""
    page = await trail.page(filters=AuditFilters(), page=1, size=50)
    return [(entry.tag, entry.subject_id) for entry in reversed(page.items)]


async def test_own_template_comes_back_as_it_was_made(store):
    await store.create(draft(), LOCAL)
    shown = await store.show("mine")
    assert shown.template == draft()
    assert list(shown.files) == ["a.txt", "b.txt"]
    assert shown.origin is Origin.OWN


async def test_order_of_variables_is_kept(store):
    variables = tuple(Variable(name, default="") for name in ("z", "a", "m", "b"))
    await store.create(draft(variables=variables, files={"a": ""}), LOCAL)
    assert [each.name for each in (await store.show("mine")).variables] == ["z", "a", "m", "b"]


async def test_own_template_is_rendered(store):
    await store.create(draft(), LOCAL)
    assert await store.render("mine", {"name": "acme_pay"}) == {"a.txt": "é", "b.txt": "AcmePay"}


async def test_list_has_what_ships_and_what_is_own(store):
    await store.create(draft(), LOCAL)
    page = await store.page(ALL, size=3)
    last = await store.page(ALL, page=3, size=3)
    assert (page.total, page.pages) == (7, 3)
    assert page.items[0].origin is Origin.SHIPPED
    assert [each.name for each in last.items] == ["mine"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (TemplateFilters(q="OUR OWN"), ["mine"]),
        (TemplateFilters(origin=Origin.OWN), ["mine"]),
        (TemplateFilters(plugin_type="AUTHENTICATION"), ["authentication_provider"]),
        (TemplateFilters(q="nothing like it"), []),
    ],
)
async def test_list_is_filtered(store, filters, expected):
    await store.create(draft(), LOCAL)
    assert [each.name for each in (await store.page(filters)).items] == expected


async def test_name_is_taken_once(store):
    await store.create(draft(), LOCAL)
    for name in ("mine", "action"):
        with pytest.raises(TemplateNameTakenError):
            await store.create(draft(name), LOCAL)


async def test_name_taken_at_the_same_moment_is_told(store):
    results = await asyncio.gather(*(store.create(draft(), LOCAL) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, TemplateNameTakenError) for each in results) == 3


async def test_bad_template_is_not_kept(store):
    with pytest.raises(TemplateInvalidError):
        await store.create(draft(files={"a": "{{ nobody }}"}), LOCAL)
    with pytest.raises(TemplateNotFoundError):
        await store.show("mine")


async def test_change_replaces_what_it_names_and_nothing_else(store, clock):
    await store.create(draft(), LOCAL)
    clock.advance(60)
    changed = await store.update("mine", {"files": {"c.txt": "c"}}, LOCAL)
    assert dict(changed.files) == {"c.txt": "c"}
    assert changed.description == "Our own"
    assert (changed.updated_at - changed.created_at).total_seconds() == 60


async def test_bad_change_leaves_the_template_as_it_was(store):
    await store.create(draft(), LOCAL)
    with pytest.raises(TemplateInvalidError):
        await store.update("mine", {"variables": []}, LOCAL)
    assert (await store.show("mine")).template == draft()


async def test_what_ships_can_neither_be_changed_nor_removed(store):
    with pytest.raises(TemplateShippedError):
        await store.update("action", {"description": "x"}, LOCAL)
    with pytest.raises(TemplateShippedError):
        await store.delete("action", LOCAL)


async def test_removed_template_is_gone_and_its_name_free(store):
    await store.create(draft(), LOCAL)
    await store.delete("mine", LOCAL)
    with pytest.raises(TemplateNotFoundError):
        await store.delete("mine", LOCAL)
    await store.create(draft(), LOCAL)


async def test_unknown_name_is_told_with_what_was_meant(store):
    with pytest.raises(TemplateNotFoundError, match="did you mean 'payment_gateway'"):
        await store.show("payment_gatway")


async def test_every_change_is_audited_and_no_refusal_is(store, trail):
    await store.create(draft(), LOCAL)
    await store.update("mine", {"description": "x"}, LOCAL)
    with pytest.raises(TemplateInvalidError):
        await store.update("mine", {"files": {}}, LOCAL)
    await store.delete("mine", LOCAL)
    assert await tags(trail) == [
        ("template.created", "mine"),
        ("template.updated", "mine"),
        ("template.deleted", "mine"),
    ]


async def test_database_keeps_only_so_many(store, monkeypatch):
    monkeypatch.setattr(room, "MAX_TEMPLATES", 1)
    await store.create(draft(), LOCAL)
    with pytest.raises(TemplateLimitError):
        await store.create(draft("another"), LOCAL)
