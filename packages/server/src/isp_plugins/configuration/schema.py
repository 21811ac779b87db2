"""`ConfigSchema`: what a plugin's configuration must look like, compiled once from its short schema or JSON Schema 2020-12.

1. A schema fetches nothing: a reference out of the document makes it invalid.
2. `format` is checked. All violations are reported together, by path, and never with the value of a secret.
3. An empty schema takes any key; a short schema takes the keys it names; a JSON Schema takes what it says.
4. A default must fit its own key's schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema_rs import Draft202012Validator, ReferencingError, ValidationError

from isp_plugin_sdk.schema import mistakes_in, to_json_schema
from isp_plugins.configuration.defaults import NOTHING, default_of, filled
from isp_plugins.configuration.errors import ConfigSchemaInvalidError
from isp_plugins.configuration.references import holds_secret, open_schemas, top_properties
from isp_plugins.configuration.values import MASK, summary_of
from isp_plugins.configuration.violations import UNKNOWN, Reader, Violation
from isp_plugins.contracts.json_values import dotted

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class ConfigSchema:
    """A compiled schema; make one with `ConfigSchema.of`."""

    json_schema: Mapping[str, Any]
    properties: Mapping[str, Mapping[str, Any]]
    """What the schema says of each top-level key, references followed, in the schema's order."""
    secrets: frozenset[str]
    required: frozenset[str]
    defaults: Mapping[str, Any]
    """The value of each key that nobody sets, where there is one."""
    hides_unknown: bool
    """Keys without a name in the schema are secret too."""
    _validator: Draft202012Validator = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any] | None) -> "ConfigSchema":
        """Compile a plugin's `config_schema`; `ConfigSchemaInvalidError` with all mistakes."""
        if not raw:
            return cls._compiled({"$schema": DIALECT, "type": "object"})
        mistakes = [dict(mistake) for mistake in mistakes_in(raw)]
        if mistakes:
            raise _invalid(mistakes)
        root = to_json_schema(raw)
        schema = cls._compiled(root)
        wrong = [it for it in schema.violations(schema.defaults) if it.path and it.keyword != "required"]
        if wrong:
            raise _invalid(
                [{**it.to_dict(), "message": f"the default does not fit: {it.message}"} for it in wrong]
            )
        return schema

    @classmethod
    def _compiled(cls, root: dict[str, Any]) -> "ConfigSchema":
        try:
            validator = Draft202012Validator(root, validate_formats=True, offline=True, mask=MASK)
        except (ValidationError, ReferencingError, ValueError) as error:
            path = dotted(getattr(error, "instance_path", ()))
            raise _invalid([{"path": path, "message": str(getattr(error, "message", error))}]) from error
        found = top_properties(root)
        made = {key: default_of(root, schemas[0]) for key, schemas in found.items()}
        return cls(
            json_schema=root,
            properties={key: schemas[0] for key, schemas in found.items()},
            secrets=frozenset(
                key for key, schemas in found.items() if any(holds_secret(root, schema) for schema in schemas)
            ),
            required=frozenset(root.get("required", ())),
            defaults={key: value for key, value in made.items() if value is not NOTHING},
            hides_unknown=any(holds_secret(root, schema) for schema in open_schemas(root)),
            _validator=validator,
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The top-level keys that the schema names, in its order."""
        return tuple(self.properties)

    @property
    def is_closed(self) -> bool:
        """Whether keys that the schema does not name are refused."""
        return (
            self.json_schema.get("additionalProperties") is False
            or self.json_schema.get("unevaluatedProperties") is False
        )

    def knows(self, key: str) -> bool:
        """Whether the plugin may be given the key: a closed schema must name it, or have a pattern for it."""
        if not self.is_closed or key in self.properties:
            return True
        return all(
            violation.path != (key,) or violation.keyword not in UNKNOWN
            for violation in self.violations({key: None})
        )

    def is_secret(self, key: str) -> bool:
        """Whether the schema wants the key's value encrypted."""
        return key in self.secrets or (self.hides_unknown and key not in self.properties)

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of the values with every default filled in, nested ones too."""
        result = {
            key: filled(self.json_schema, self.properties.get(key), value) for key, value in values.items()
        }
        missing = {
            key: default_of(self.json_schema, self.properties[key])
            for key in self.defaults
            if key not in values
        }
        return {**missing, **result}

    def violations(self, values: Mapping[str, Any]) -> list[Violation]:
        """Every way in which the values do not fit."""
        reader = Reader(self.properties, self.is_secret)
        return [
            violation
            for error in self._validator.iter_errors(dict(values))
            for violation in reader.read(error)
        ]

    def mistakes(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Every violation as `{path, message, expected, got}`; `got` is the mask for a secret."""
        return [violation.to_dict() for violation in self.violations(values)]


def _invalid(mistakes: list[dict[str, Any]]) -> ConfigSchemaInvalidError:
    return ConfigSchemaInvalidError(summary=summary_of(mistakes), mistakes=mistakes)
