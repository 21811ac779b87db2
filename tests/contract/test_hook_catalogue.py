"""The catalogue in code equals the table in `docs/hook_catalogue.md`, row by row and column by column."""

from pathlib import Path

import jsonschema_rs
import pytest

from isp_plugin_sdk.payloads import PAYLOADS
from isp_plugins.contracts.vocabulary import HookKind
from isp_plugins.hooks.catalogue import CATALOGUE, spec_of
from isp_plugins.hooks.errors import HookNameInvalidError

TABLE = Path(__file__).parents[2] / "docs" / "hook_catalogue.md"
HEADINGS = {
    "customer": "customer",
    "service and provisioning": "service",
    "billing, invoice, payment": "billing",
    "network and device": "network",
    "RADIUS / AAA": "aaa",
    "ticket / support": "ticket",
    "usage / quota": "usage",
    "inventory": "inventory",
    "auth / user": "auth",
    "scheduler, system": "system",
    "plugin lifecycle": "plugin",
}


def rows():
    """(hook, domain, kind cell, payload cell, TMF, UISP, WHMCS) of every hook; shared rows give one each."""
    domain = None
    for line in TABLE.read_text().splitlines():
        if line.startswith("## "):
            domain = HEADINGS[line.removeprefix("## ")]
        elif line.startswith("| ") and not line.startswith(("| hook |", "| ---")):
            names, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            yield from ((name.strip(), domain, *cells) for name in names.split(","))


ROWS = list(rows())


def test_same_hooks_in_the_same_order():
    assert list(CATALOGUE) == [row[0] for row in ROWS]
    assert len(CATALOGUE) > 100


def test_every_hook_has_its_payload_in_the_sdk():
    assert set(CATALOGUE) == set(PAYLOADS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_spec_equals_its_row(row):
    name, domain, kind, _, tmf, uisp, whmcs = row
    spec = CATALOGUE[name]
    assert spec.domain == domain
    assert spec.kind == (HookKind.FILTER if "filter" in kind else HookKind.ACTION)
    assert spec.veto == ("veto" in kind)
    assert spec.after_the_fact == ("after the fact" in kind)
    assert [cell or "-" for cell in (spec.tmf, spec.uisp, spec.whmcs)] == [tmf, uisp, whmcs]
    assert spec.internal == name.startswith(("plugin_", "system_", "scheduler_"))
    assert spec.known


@pytest.mark.parametrize("name", CATALOGUE)
def test_sample_fits_its_schema_and_uses_only_named_fields(name):
    spec = CATALOGUE[name]
    jsonschema_rs.meta.validate(spec.schema)
    assert spec.sample
    assert set(spec.sample) <= set(spec.schema["properties"])
    assert list(jsonschema_rs.validator_for(dict(spec.schema)).iter_errors(dict(spec.sample))) == []


@pytest.mark.parametrize("name", CATALOGUE)
def test_schema_requires_nothing_and_allows_more(name):
    validator = jsonschema_rs.validator_for(dict(CATALOGUE[name].schema))
    assert validator.is_valid({})
    assert validator.is_valid({"field_of_the_isps_own": [1]})
    assert not validator.is_valid({"actor": 5})
    assert not validator.is_valid([])


@pytest.mark.parametrize("name", CATALOGUE)
def test_key_and_mutable_name_fields_of_the_payload(name):
    spec = CATALOGUE[name]
    fields = set(spec.schema["properties"])
    assert spec.key is None or (spec.key in fields and spec.key in spec.sample)
    assert spec.mutable is not None
    assert set(spec.mutable) <= fields
    assert spec.kind is HookKind.FILTER or spec.mutable == ()


@pytest.mark.parametrize("name", CATALOGUE)
def test_description_is_a_sentence(name):
    description = CATALOGUE[name].description
    assert description[0].isupper()
    assert description.endswith(".")
    assert len(description) < 160


def test_high_rate_hooks_have_tight_deadlines():
    assert CATALOGUE["aaa_authorize"].deadline_ms == 50
    for name in ("aaa_session_updated", "usage_record", "device_status_changed"):
        assert CATALOGUE[name].deadline_ms <= 1000


def test_what_cannot_be_undone_fails_closed():
    closed = {name for name, spec in CATALOGUE.items() if spec.fail_closed}
    assert closed >= {
        "customer_before_delete",
        "service_before_suspend",
        "device_before_config_push",
        "plugin_before_install",
    }
    assert all(CATALOGUE[name].kind is HookKind.FILTER for name in closed)
    assert "aaa_authorize" not in closed


def test_hook_of_the_isps_own_is_allowed():
    spec = spec_of("our_own_hook")
    assert (spec.known, spec.kind, spec.internal, spec.veto) == (False, HookKind.ACTION, False, False)
    assert spec_of("our_own_hook") is spec


def test_own_hook_with_an_internal_prefix_is_internal():
    assert spec_of("plugin_of_ours").internal


@pytest.mark.parametrize(
    "name", ["", "Customer", "9lives", "_x", "a-b", "a.b", "../etc", "a" * 101, "a\n", "é"]
)
def test_name_that_is_none_is_refused(name):
    with pytest.raises(HookNameInvalidError):
        spec_of(name)
