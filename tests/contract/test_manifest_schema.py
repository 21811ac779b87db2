"""The published JSON Schema of plugin.toml accepts what the reader accepts, and refuses what it refuses."""

import json
from importlib import resources

import jsonschema_rs
import pytest

from isp_plugin_sdk.manifest import document_mistakes
from support.manifests import ACCEPTED, GOOD, REFUSED, changed

SCHEMA = json.loads(
    resources.files("isp_plugin_sdk.manifest").joinpath("plugin.schema.json").read_text("utf-8")
)
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def shown(case):
    return f"{case[0]}={str(case[1])[:30]!r}"


def test_good_manifest_is_accepted_by_both():
    assert document_mistakes(GOOD) == []
    assert VALIDATOR.is_valid(GOOD)


@pytest.mark.parametrize("case", ACCEPTED, ids=shown)
def test_variation_is_accepted_by_both(case):
    document = changed(*case)
    assert document_mistakes(document) == []
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize("case", REFUSED, ids=shown)
def test_variation_is_refused_by_both(case):
    document = changed(*case)
    assert document_mistakes(document) != []
    assert not VALIDATOR.is_valid(document)


def test_command_takes_the_place_of_the_entry_point():
    document = {key: value for key, value in GOOD.items() if key != "entry_point"} | {
        "command": ["node", "plugin.js"]
    }
    assert document_mistakes(document) == []
    assert VALIDATOR.is_valid(document)


def test_every_key_of_the_schema_is_described():
    assert all(member["description"] for member in SCHEMA["properties"].values())
