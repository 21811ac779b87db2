"""Configuration schemas: told apart, checked in full, translated."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp_plugin_sdk.errors import SchemaInvalidError
from isp_plugin_sdk.schema import is_full, mistakes_in, to_json_schema, value_mistakes, with_defaults

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def paths(raw: Any) -> list[str]:
    """Where the mistakes of a schema are."""
    return [one["path"] for one in mistakes_in(raw)]


def only(raw: Any) -> str:
    """The message of the one mistake of a schema."""
    (one,) = mistakes_in(raw)
    return one["message"]


def test_short_schema_becomes_json_schema() -> None:
    raw = {
        "key": {"type": "string", "required": True, "encrypted": True},
        "tries": {"type": "integer", "default": 3, "minimum": 1},
    }
    assert to_json_schema(raw) == {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "key": {"type": "string", "encrypted": True},
            "tries": {"type": "integer", "default": 3, "minimum": 1},
        },
        "required": ["key"],
        "additionalProperties": False,
    }


def test_nested_object_is_translated_with_its_own_required_keys() -> None:
    raw = {
        "smtp": {
            "type": "object",
            "properties": {"host": {"type": "string", "required": True}, "port": {"type": "integer"}},
        }
    }
    assert to_json_schema(raw)["properties"]["smtp"] == {
        "type": "object",
        "properties": {"host": {"type": "string"}, "port": {"type": "integer"}},
        "required": ["host"],
        "additionalProperties": False,
    }


def test_list_of_objects_is_translated() -> None:
    raw = {
        "l": {
            "type": "array",
            "items": {"type": "object", "properties": {"a": {"type": "number", "required": True}}},
        }
    }
    assert to_json_schema(raw)["properties"]["l"]["items"]["required"] == ["a"]


def test_object_without_properties_takes_any_key() -> None:
    assert "additionalProperties" not in to_json_schema({"o": {"type": "object"}})["properties"]["o"]


def test_empty_schema_takes_any_key() -> None:
    assert to_json_schema({})["additionalProperties"] is True


def test_full_schema_is_kept_and_copied() -> None:
    raw = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}
    translated = to_json_schema(raw)
    assert translated == {"$schema": DIALECT, **raw}
    translated["properties"]["a"]["type"] = "number"
    assert raw["properties"]["a"]["type"] == ["string", "null"]


@pytest.mark.parametrize(
    ("raw", "full"),
    [
        ({}, False),
        ({"type": {"type": "string"}, "properties": {"type": "object"}}, False),
        ({"type": "object"}, True),
        ({"$schema": DIALECT}, True),
    ],
)
def test_forms_are_told_apart_by_the_written_rule(raw: dict[str, Any], full: bool) -> None:
    assert is_full(raw) is full


def test_all_mistakes_of_a_short_schema_are_told_together() -> None:
    raw = {
        "a b": {"type": "string"},
        "kind": {"type": "strng"},
        "size": {"type": "integer", "minLength": 1, "minimum": 9, "maximum": 3},
        "plain": "string",
        "nested": {"type": "object", "properties": {"x": {"required": "yes", "type": "string"}}},
        "list": {"type": "array", "items": {"type": "string", "format": "mail"}},
    }
    assert paths(raw) == [
        "a b",
        "kind.type",
        "size.minLength",
        "size.minimum",
        "plain",
        "nested.properties.x.required",
        "list.items.format",
    ]


def test_mistake_says_what_was_expected_and_what_came() -> None:
    (one,) = mistakes_in({"a": {"type": "string", "maxLength": -1}})
    assert one == {
        "path": "a.maxLength",
        "message": "expected a whole number of at least 0, got -1",
        "expected": "a whole number of at least 0",
        "got": "-1",
    }


@pytest.mark.parametrize(
    ("field", "suggestion"),
    [
        ({"type": "str"}, "string"),
        ({"type": "intger"}, "integer"),
        ({"type": "string", "secret": True}, "encrypted"),
        ({"type": "string", "choices": ["a"]}, "enum"),
        ({"type": "string", "minLenght": 1}, "minLength"),
        ({"type": "string", "format": "datetime"}, "date-time"),
    ],
)
def test_unknown_word_gets_a_suggestion(field: dict[str, Any], suggestion: str) -> None:
    assert f"did you mean '{suggestion}'?" in only({"a": field})


def test_type_is_demanded() -> None:
    assert paths({"a": {"description": "no type"}}) == ["a.type"]


def test_own_annotations_are_allowed() -> None:
    assert mistakes_in({"a": {"type": "string", "x-placeholder": "..."}}) == []


def test_required_as_a_list_is_explained() -> None:
    assert "stands on each key itself" in only({"a": {"type": "object", "required": ["b"]}})


@pytest.mark.parametrize("pattern", ["(", "[a", 3])
def test_pattern_that_does_not_compile_is_a_mistake(pattern: Any) -> None:
    assert paths({"a": {"type": "string", "pattern": pattern}}) == ["a.pattern"]


def test_pattern_in_the_dialect_of_json_schema_is_accepted() -> None:
    assert mistakes_in({"a": {"type": "string", "pattern": r"^\p{L}+(?<n>x)$"}}) == []


@pytest.mark.parametrize(
    "field",
    [
        {"type": "integer", "default": "3"},
        {"type": "integer", "default": True},
        {"type": "string", "enum": ["a"], "default": "b"},
        {"type": "array", "items": {"type": "string"}, "default": ["a", 1]},
        {"type": "array", "uniqueItems": True, "default": [1, 1]},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "default": 1},
        {"type": "number", "multipleOf": 0.1, "default": 0.25},
        {"type": "string", "minLength": 2, "default": "a"},
        {"type": "object", "properties": {"a": {"type": "string", "required": True}}, "default": {}},
        {"type": "object", "properties": {}, "default": {"b": 1}},
    ],
)
def test_default_that_does_not_fit_is_a_mistake(field: dict[str, Any]) -> None:
    assert [path for path in paths({"a": field}) if path.startswith("a.default")]


def test_default_of_a_secret_is_never_repeated() -> None:
    found = mistakes_in(
        {
            "a": {
                "type": "object",
                "encrypted": True,
                "properties": {"b": {"type": "string"}},
                "default": {"b": 4711},
            }
        }
    )
    assert "4711" not in str(found)


def test_all_mistakes_of_a_full_schema_are_told_together() -> None:
    raw = {
        "type": "object",
        "properties": {
            "a": {"type": "sting"},
            "b": {"$ref": "https://example.org/schema"},
            "c": {"allOf": {}, "requird": ["x"]},
            "d": 5,
            "bad name": True,
        },
        "required": True,
    }
    assert sorted(paths(raw)) == [
        "properties.a.type",
        "properties.b.$ref",
        "properties.bad name",
        "properties.c.allOf",
        "properties.c.requird",
        "properties.d",
        "required",
    ]


def test_unknown_keyword_of_a_full_schema_is_an_annotation() -> None:
    assert mistakes_in({"type": "object", "properties": {"a": {"ui:widget": "text"}}}) == []


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"type": "array"}, "type"),
        ({"$schema": DIALECT}, "type"),
        ({"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}, "$schema"),
        ([], ""),
        (None, ""),
    ],
)
def test_what_cannot_describe_a_configuration_is_refused(raw: Any, path: str) -> None:
    assert path in paths(raw)


def test_schema_nested_too_deep_is_refused() -> None:
    raw: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        raw = {"type": "object", "properties": {"a": raw}}
    assert "at most" in only({"a": raw})
    assert "at most" in only(raw)


def test_mistakes_are_bounded() -> None:
    assert len(mistakes_in({f"a{number}": {"type": "no"} for number in range(5000)})) == 100


def test_translation_refuses_with_all_mistakes() -> None:
    with pytest.raises(SchemaInvalidError, match=r"a\.type: expected") as caught:
        to_json_schema({"a": {"type": "no"}, "b": 1})
    assert len(caught.value.mistakes) == 2


def test_defaults_are_filled_in_nested_objects_too() -> None:
    schema = to_json_schema(
        {
            "port": {"type": "integer", "default": 587},
            "tls": {"type": "object", "properties": {"verify": {"type": "boolean", "default": True}}},
        }
    )
    assert with_defaults(schema, {"tls": {}}) == {"port": 587, "tls": {"verify": True}}
    assert with_defaults(schema, {"port": 25}) == {"port": 25}


def test_missing_and_unknown_keys_are_mistakes() -> None:
    schema = to_json_schema({"a": {"type": "string", "required": True}})
    assert [one["path"] for one in value_mistakes(schema, {"b": 1})] == ["a", "b"]


LEAF = st.fixed_dictionaries({"type": st.sampled_from(["string", "number", "integer", "boolean"])})
FIELD = st.recursive(
    LEAF,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(
                    st.sampled_from("abc"),
                    st.builds(lambda field, required: field | {"required": required}, inner, st.booleans()),
                ),
            }
        )
    ),
    max_leaves=8,
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from("abc"), FIELD), st.dictionaries(st.sampled_from("abcd"), VALUE))
def test_translated_schema_and_own_checks_agree_with_a_complete_implementation(
    raw: dict[str, Any], values: dict[str, Any]
) -> None:
    schema = to_json_schema(raw)
    jsonschema_rs.meta.validate(schema)
    assert bool(value_mistakes(schema, values)) is not jsonschema_rs.Draft202012Validator(schema).is_valid(
        values
    )
