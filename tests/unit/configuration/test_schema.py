"""What a configuration schema accepts, fills in and hides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.configuration import MASK, ConfigSchema, ConfigSchemaInvalidError
from isp_plugins.errors import InvalidInputError

SMTP = {
    "host": {"type": "string", "required": True, "format": "hostname"},
    "port": {"type": "integer", "default": 587, "minimum": 1, "maximum": 65535},
    "password": {"type": "string", "required": True, "encrypted": True, "minLength": 8},
    "security": {"type": "string", "enum": ["none", "starttls", "tls"], "default": "starttls"},
}


def mistakes(raw, values):
    return {mistake["path"]: mistake for mistake in ConfigSchema.of(raw).mistakes(values)}


def test_all_violations_are_reported_together_by_path():
    found = mistakes(SMTP, {"host": "not a host", "port": 0, "security": "ssl", "password": "short"})
    assert set(found) == {"host", "port", "security", "password"}


def test_a_violation_says_what_was_expected_and_what_came():
    found = mistakes(SMTP, {"host": "mail.example.net", "password": "long enough", "port": 0})
    assert found["port"] == {
        "path": "port",
        "message": "expected at least 1, got 0",
        "expected": "at least 1",
        "got": "0",
    }


def test_the_value_of_a_secret_is_not_in_its_violation():
    found = mistakes(SMTP, {"host": "mail.example.net", "password": "hunter2"})
    assert "hunter2" not in str(found)
    assert found["password"]["got"] == MASK


def test_an_enumeration_of_a_secret_is_not_repeated():
    raw = {"token": {"type": "string", "encrypted": True, "enum": ["alpha-token", "beta-token"]}}
    assert "alpha" not in str(mistakes(raw, {"token": "gamma"}))


def test_field_names_inside_a_secret_are_not_repeated():
    raw = {
        "type": "object",
        "properties": {
            "tokens": {"type": "object", "encrypted": True, "additionalProperties": {"type": "integer"}}
        },
    }
    found = ConfigSchema.of(raw).mistakes({"tokens": {"s3cr3t-name": "s3cr3t-value"}})
    assert [mistake["path"] for mistake in found] == ["tokens"]
    assert "s3cr3t" not in str(found)


def test_unknown_fields_inside_a_secret_are_not_repeated():
    raw = {"login": {"type": "object", "encrypted": True, "properties": {"user": {"type": "string"}}}}
    found = ConfigSchema.of(raw).mistakes({"login": {"s3cr3t-name": 1}})
    assert found
    assert "s3cr3t" not in str(found)


def test_a_short_schema_refuses_unknown_keys_with_a_suggestion():
    found = mistakes(SMTP, {"host": "h.example", "password": "long enough", "prot": 25})
    assert found["prot"]["message"] == "the schema does not know this key; did you mean 'port'?"


def test_each_unknown_key_is_a_mistake_of_its_own():
    assert {"a", "b"} <= set(mistakes(SMTP, {"a": 1, "b": 2}))


def test_an_empty_schema_takes_any_key():
    assert ConfigSchema.of({}).mistakes({"anything": [1, {"a": None}]}) == []


def test_a_full_schema_takes_unknown_keys_unless_it_forbids_them():
    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert ConfigSchema.of(open_schema).mistakes({"b": 1}) == []
    assert ConfigSchema.of({**open_schema, "additionalProperties": False}).mistakes({"b": 1})


@pytest.mark.parametrize(
    ("kind", "bad"), [("email", "nobody"), ("ipv4", "1.2.3"), ("uri", "no uri"), ("date", "1.1.2030")]
)
def test_formats_are_checked(kind, bad):
    assert "value" in mistakes({"value": {"type": "string", "format": kind}}, {"value": bad})


def test_defaults_are_filled_in():
    filled = ConfigSchema.of(SMTP).filled({"host": "h"})
    assert filled == {"host": "h", "port": 587, "security": "starttls"}


def test_defaults_of_nested_objects_are_filled_in():
    raw = {
        "smtp": {
            "type": "object",
            "properties": {
                "port": {"type": "integer", "default": 25},
                "tls": {"type": "boolean", "default": True},
            },
        }
    }
    schema = ConfigSchema.of(raw)
    assert schema.filled({"smtp": {"port": 587}}) == {"smtp": {"port": 587, "tls": True}}
    assert schema.filled({}) == {"smtp": {"port": 25, "tls": True}}


def test_defaults_are_filled_into_the_objects_of_a_list():
    fields = {"name": {"type": "string"}, "weight": {"type": "integer", "default": 1}}
    raw = {"peers": {"type": "array", "items": {"type": "object", "properties": fields}}}
    assert ConfigSchema.of(raw).filled({"peers": [{"name": "a"}]}) == {"peers": [{"name": "a", "weight": 1}]}


def test_an_object_with_an_open_required_field_is_not_made_up():
    fields = {"user": {"type": "string", "required": True}, "port": {"type": "integer", "default": 25}}
    assert ConfigSchema.of({"login": {"type": "object", "properties": fields}}).filled({}) == {}


def test_a_filled_default_is_a_copy():
    schema = ConfigSchema.of({"tags": {"type": "array", "default": []}})
    schema.filled({})["tags"].append("x")
    assert schema.filled({}) == {"tags": []}


def test_defaults_follow_local_references():
    raw = {
        "type": "object",
        "properties": {"port": {"$ref": "#/$defs/port"}},
        "$defs": {"port": {"type": "integer", "default": 8080}},
    }
    assert ConfigSchema.of(raw).filled({}) == {"port": 8080}


def test_a_schema_that_refers_to_itself_ends():
    raw = {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "depth": {"type": "integer", "default": 0}},
    }
    assert ConfigSchema.of(raw).filled({"child": {}})["child"]["depth"] == 0


@pytest.mark.parametrize(
    "secret",
    [
        {"type": "string", "encrypted": True},
        {"type": "object", "properties": {"inner": {"type": "string", "encrypted": True}}},
        {"type": "array", "items": {"type": "string", "encrypted": True}},
        {"$ref": "#/$defs/token"},
        {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/token"}]},
    ],
)
def test_a_key_is_secret_if_anything_in_it_is_encrypted(secret):
    raw = {
        "type": "object",
        "properties": {"a": secret, "b": {"type": "string"}},
        "$defs": {"token": {"type": "string", "encrypted": True}},
    }
    assert ConfigSchema.of(raw).secrets == {"a"}


def test_a_field_that_is_called_encrypted_makes_no_secret():
    raw = {"box": {"type": "object", "properties": {"encrypted": {"type": "boolean", "default": True}}}}
    assert ConfigSchema.of(raw).secrets == frozenset()


def test_keys_that_only_a_condition_names_are_known():
    raw = {
        "type": "object",
        "properties": {"mode": {"type": "string"}},
        "allOf": [
            {
                "if": {"required": ["mode"]},
                "then": {"properties": {"pin": {"type": "string", "encrypted": True}}},
            }
        ],
    }
    schema = ConfigSchema.of(raw)
    assert schema.keys == ("mode", "pin")
    assert schema.secrets == {"pin"}


def test_unnamed_keys_are_secret_where_the_schema_says_so():
    raw = {"type": "object", "additionalProperties": {"type": "string", "encrypted": True}}
    assert ConfigSchema.of(raw).is_secret("anything")


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/schema", "file:///etc/passwd", "other.json", "#/$defs/none"]
)
def test_a_reference_out_of_the_schema_is_refused_unfetched(reference):
    with pytest.raises(ConfigSchemaInvalidError):
        ConfigSchema.of({"type": "object", "properties": {"a": {"$ref": reference}}})


@pytest.mark.parametrize(
    "raw",
    [
        {"a": {"type": "strin"}},
        {"a": "string"},
        {"a": {"type": "integer", "default": "x"}},
        {"a": {"type": "string", "pattern": "("}},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "integer"}], "default": "x"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        {"type": "array"},
    ],
)
def test_a_bad_schema_is_refused_with_its_mistakes(raw):
    with pytest.raises(ConfigSchemaInvalidError) as refused:
        ConfigSchema.of(raw)
    assert refused.value.details
    assert isinstance(refused.value, InvalidInputError)


def test_all_mistakes_of_a_schema_are_reported_together():
    with pytest.raises(ConfigSchemaInvalidError) as refused:
        ConfigSchema.of({"a": {"type": "strin"}, "b": {"type": "integer", "default": "x"}})
    assert {mistake["path"] for mistake in refused.value.details} == {"a.type", "b.default"}


def test_a_catastrophic_pattern_ends():
    schema = ConfigSchema.of({"a": {"type": "string", "pattern": "^(a+)+$"}})
    assert len(schema.mistakes({"a": "a" * 60 + "!"})) == 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    value=json_values,
    secret=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=30),
)
def test_no_secret_value_is_ever_in_a_violation(value, secret):
    raw = {
        "type": "object",
        "properties": {
            "key": {
                "type": "object",
                "encrypted": True,
                "properties": {"inner": {"type": "string", "pattern": "^[A-Z]+$"}},
                "additionalProperties": {"enum": [1]},
                "propertyNames": {"maxLength": 5},
                "maxProperties": 1,
            }
        },
        "required": ["key"],
        "additionalProperties": False,
        "not": {"properties": {"key": {"minProperties": 1}}},
    }
    shown = ConfigSchema.of(raw).mistakes({"key": {"inner": secret, secret: value, "other": secret}})
    assert shown
    assert secret not in str(shown)
