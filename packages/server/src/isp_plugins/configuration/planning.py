"""Decides what a change makes of a plugin's stored configuration, without touching a database.

1. A mask never replaces a value. Where several values are sent at once it means "keep the stored secret" (so that what was read can be
   sent back); where the default of a secret is shown it means "keep the default"; sent alone, or anywhere else, it is a mistake.
2. What the schema calls secret is encrypted; else as asked; else as it is stored. A stored secret is never turned into clear text
   without its value being sent again.
3. Only the keys that the change sets can make it invalid. What else does not fit (a required key that is missing, a value that a newer
   schema no longer takes) makes the candidate incomplete: a plugin is configured key by key.
4. Stored keys that a closed schema no longer names stay, unless all keys are replaced, and are not given to the plugin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isp_plugins.configuration.errors import ConfigurationInvalidError, ConfigurationValueNotFoundError
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.values import (
    MASK,
    MAX_KEY_CHARACTERS,
    MAX_VALUE_BYTES,
    ConfigChange,
    SetValue,
    StoredValue,
    summary_of,
)
from isp_plugins.configuration.violations import Violation
from isp_plugins.contracts.json_values import encoded, first_problem

ROOT_REFUSALS = frozenset(
    {"additionalProperties", "unevaluatedProperties", "propertyNames", "maxProperties", "falseSchema"}
)
"""Rules about the whole configuration that adding a value can only break, never mend."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change comes to: the stored values after it, what the plugin would get, and what is still missing."""

    stored: dict[str, StoredValue] = field(repr=False)
    resolved: dict[str, Any] = field(repr=False)
    changed_keys: tuple[str, ...]
    incomplete: tuple[Violation, ...]

    @property
    def missing_required(self) -> tuple[str, ...]:
        """The required keys without a value."""
        return tuple(
            sorted(
                {str(it.path[0]) for it in self.incomplete if it.keyword == "required" and len(it.path) == 1}
            )
        )


def plan_change(schema: ConfigSchema, stored: Mapping[str, StoredValue], change: ConfigChange) -> Plan:
    """Apply sets and removals; `ConfigurationInvalidError` with every mistake, `ConfigurationValueNotFoundError`."""
    absent = [key for key in change.remove if key not in stored]
    if absent:
        raise ConfigurationValueNotFoundError(wanted=", ".join(map(repr, absent)))
    mistakes: list[dict[str, Any]] = []
    after = (
        {}
        if change.replace_all
        else {key: value for key, value in stored.items() if key not in change.remove}
    )
    sent_back = change.replace_all or len(change.set) > 1
    for key, wanted in change.set.items():
        mistake = _mistake_of(schema, stored, key, wanted, sent_back=sent_back)
        if mistake is not None:
            mistakes.append(mistake)
        elif not is_mask(wanted.value):
            after[key] = _to_store(schema, stored.get(key), key, wanted)
        elif key in stored:
            after[key] = stored[key]
    mistakes += [
        _mistake(key, "the change both sets and removes it") for key in change.set if key in change.remove
    ]
    return settle(schema, stored, after, touched=frozenset(change.set), mistakes=mistakes)


def settle(
    schema: ConfigSchema,
    before: Mapping[str, StoredValue],
    after: Mapping[str, StoredValue],
    *,
    touched: frozenset[str],
    mistakes: list[dict[str, Any]] | None = None,
) -> Plan:
    """Check stored values as a whole; `ConfigurationInvalidError` for what the touched keys break."""
    protected = {key: _protected(schema, key, value) for key, value in after.items()}
    resolved, violations = check(schema, protected, touched)
    broken = [violation for violation in violations if _breaks(violation, touched)]
    found = [*(mistakes or []), *_without_twins(broken, mistakes or [])]
    if found:
        raise ConfigurationInvalidError(summary=summary_of(found), mistakes=found)
    incomplete = tuple(violation for violation in violations if violation not in broken)
    return Plan(protected, resolved, _changed(before, protected), incomplete)


def check(
    schema: ConfigSchema, stored: Mapping[str, StoredValue], touched: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], list[Violation]]:
    """What the plugin gets of stored values, and how that does not fit; an unreadable secret counts as present."""
    unreadable = {key for key, value in stored.items() if not value.is_readable}
    given = [key for key in stored if key not in unreadable and (key in touched or schema.knows(key))]
    filled = schema.filled({key: stored[key].value for key in given})
    resolved = {key: value for key, value in filled.items() if key not in unreadable}
    return resolved, [it for it in schema.violations(resolved) if not (it.path and it.path[0] in unreadable)]


def is_mask(value: Any) -> bool:
    """Whether a value is the mask that stands for a secret."""
    return isinstance(value, str) and value.strip() == MASK


def same(one: StoredValue | None, other: StoredValue | None) -> bool:
    """Whether two stored values are the same JSON, kept in the same way."""
    if one is None or other is None or one.is_encrypted != other.is_encrypted:
        return one is other
    if not (one.is_readable and other.is_readable):
        return one.ciphertext == other.ciphertext
    return encoded(one.value) == encoded(other.value)


def _mistake_of(
    schema: ConfigSchema, stored: Mapping[str, StoredValue], key: str, wanted: SetValue, *, sent_back: bool
) -> dict[str, Any] | None:
    """What is wrong with setting this key to this value, the schema's rules apart."""
    if not key or len(key) > MAX_KEY_CHARACTERS or not key.isprintable():
        return _mistake(key[:MAX_KEY_CHARACTERS], f"a key has 1 to {MAX_KEY_CHARACTERS} printable characters")
    if is_mask(wanted.value):
        return _mistake_of_mask(schema, stored.get(key), key, wanted, sent_back=sent_back)
    problem = _problem_of_value(wanted.value)
    if problem is None and wanted.is_encrypted is False and schema.is_secret(key):
        problem = "the schema says that it is encrypted, so it cannot be stored in clear"
    return _mistake(key, problem) if problem else None


def _problem_of_value(value: Any) -> str | None:
    problem = first_problem(value)
    if problem is not None:
        return problem.message
    if _holds_mask(value):
        return f"{MASK} stands for a secret inside the value; send the whole value, or leave the key out to keep it"
    if len(encoded(value)) > MAX_VALUE_BYTES:
        return f"a value has at most {MAX_VALUE_BYTES} bytes of JSON"
    return None


def _mistake_of_mask(
    schema: ConfigSchema, stored: StoredValue | None, key: str, wanted: SetValue, *, sent_back: bool
) -> dict[str, Any] | None:
    if stored is None:
        shown_default = sent_back and schema.is_secret(key) and key in schema.defaults
        return (
            None
            if shown_default
            else _mistake(
                key, f"{MASK} stands for a stored secret and there is none to keep; send the value itself"
            )
        )
    if not (stored.is_encrypted or schema.is_secret(key)):
        return _mistake(key, f"{MASK} stands for a secret and cannot be stored; send the value itself")
    if wanted.is_encrypted is False:
        return _mistake(key, "to store it in clear, send the value itself instead of its mask")
    if not sent_back:
        return _mistake(
            key,
            f"{MASK} stands for the stored secret and would change nothing; send a new value, or leave the key out to keep it",
        )
    return None


def _holds_mask(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_mask(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_mask(item) for item in value)
    return is_mask(value)


def _to_store(schema: ConfigSchema, before: StoredValue | None, key: str, wanted: SetValue) -> StoredValue:
    asked = (
        wanted.is_encrypted if wanted.is_encrypted is not None else before is not None and before.is_encrypted
    )
    value = StoredValue(wanted.value, is_encrypted=schema.is_secret(key) or asked)
    return before if before is not None and same(before, value) else value


def _protected(schema: ConfigSchema, key: str, value: StoredValue) -> StoredValue:
    """The value, to be encrypted if the schema has called it a secret since it was stored in clear."""
    return (
        StoredValue(value.value, is_encrypted=True)
        if schema.is_secret(key) and not value.is_encrypted
        else value
    )


def _breaks(violation: Violation, touched: frozenset[str]) -> bool:
    """Whether a violation refuses the change, instead of only telling what is still missing."""
    if violation.path:
        return violation.path[0] in touched and not (
            violation.keyword == "required" and len(violation.path) == 1
        )
    return violation.keyword in ROOT_REFUSALS and bool(touched)


def _changed(before: Mapping[str, StoredValue], after: Mapping[str, StoredValue]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {*before, *after} if not same(before.get(key), after.get(key))))


def _without_twins(violations: list[Violation], mistakes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The violations of keys that are not reported already."""
    reported = {mistake["path"] for mistake in mistakes}
    return [
        violation.to_dict()
        for violation in violations
        if not violation.path or violation.path[0] not in reported
    ]


def _mistake(key: str, message: str) -> dict[str, Any]:
    return {"path": key, "message": message}
