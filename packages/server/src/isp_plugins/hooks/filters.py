"""Values of filters: frozen as JSON between two filters, thawed into a copy for each, checked when they come back.

1. Each filter gets a deep copy of its own, made from the frozen value; orjson both ways is the fastest copy measured, and refuses
   what is no JSON value.
2. `None`, or a value that the hook's schema refuses, is an error of the filter, and the value before stays.
3. Fields that the spec does not call mutable are put back.
"""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import orjson

from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.hooks.engine_errors import FilterValueRefusedError
from isp_plugins.hooks.errors import PayloadInvalidError

JSON_ONLY = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""Dates and dataclasses are refused instead of becoming text and objects."""
_SHOWN = 3


class ValueRules:
    """What one hook asks of its values; compiled once per spec."""

    def __init__(self, spec: HookSpec) -> None:
        self._spec = spec
        self._validator = jsonschema_rs.validator_for(dict(spec.schema), retriever=_refuse_remote)
        self.fits: Callable[[Any], bool] = self._validator.is_valid
        """Whether the schema takes a value; the fast way."""

    def freeze(self, payload: Any) -> bytes:
        """The JSON of what the caller gave; `PayloadInvalidError` where it is none, or the schema refuses it."""
        frozen = freeze(self._spec.name, payload)
        if not self.fits(payload):
            raise PayloadInvalidError(
                hook=self._spec.name, summary=self._summary(payload), mistakes=self.mistakes(payload)
            )
        return frozen

    def refusal(self, value: Any) -> FilterValueRefusedError:
        """The error of a filter that returned this."""
        summary = "got None, expected the value" if value is None else self._summary(value)
        return FilterValueRefusedError(hook=self._spec.name, summary=summary, mistakes=self.mistakes(value))

    def restore(self, value: Any, before: Any) -> Any:
        """The value with every field that is not mutable as it was; `FilterValueRefusedError` where it is no object."""
        mutable = self._spec.mutable or ()
        if not isinstance(value, dict) or not isinstance(before, dict):
            raise self.refusal(value)
        kept = {name: old for name, old in before.items() if name not in mutable}
        return kept | {name: value[name] for name in mutable if name in value}

    def mistakes(self, value: Any) -> list[dict[str, Any]]:
        """Everything that the schema refuses: `{path, message}`."""
        return [
            {"path": ".".join(str(step) for step in error.instance_path), "message": error.message}
            for error in self._validator.iter_errors(value)
        ]

    def _summary(self, value: Any) -> str:
        mistakes = self.mistakes(value)
        told = [f"{found['path'] or 'the value'}: {found['message']}" for found in mistakes[:_SHOWN]]
        more = [f"and {len(mistakes) - _SHOWN} more"] if len(mistakes) > _SHOWN else []
        return "; ".join(told + more) or "it is refused"


def freeze(hook: str, payload: Any) -> bytes:
    """A payload as JSON; `PayloadInvalidError` where it is no JSON value."""
    try:
        return orjson.dumps(payload, None, JSON_ONLY)
    except TypeError as error:
        mistakes = [{"path": "", "message": str(error)}]
        raise PayloadInvalidError(
            hook=hook, summary=f"it is no JSON value ({error})", mistakes=mistakes
        ) from error


def thaw(frozen: bytes) -> Any:
    """A copy of a frozen value."""
    return orjson.loads(frozen)


def _refuse_remote(uri: str) -> Any:
    """No schema is ever fetched."""
    raise ValueError(f"a schema must not refer to {uri}")
