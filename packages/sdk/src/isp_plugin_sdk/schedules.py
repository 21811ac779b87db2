"""`@schedule`: a method that the host runs by the clock, once for each slot, on one node however many there are."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from isp_plugin_sdk.errors import DeclarationInvalidError

_ATTRIBUTE = "__isp_schedules__"
_FIELD = re.compile(r"[0-9A-Za-z*,/#?-]+")
_Method = TypeVar("_Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ScheduleDeclaration:
    """One schedule that a plugin's class declares."""

    method: str
    cron: str


def schedule(cron: str) -> Callable[[_Method], _Method]:
    """Run the method at every slot of a cron expression, in UTC: `@schedule("*/15 * * * *")`.

    The method takes one argument, the slot: `{slot_id, planned_at, missed}`, where `missed` says how many slots before it nobody ran
    (the host was down): they are not run one by one. Runs never overlap; a run whose host died begins again, so make it repeatable.
    """
    given: Any = cron
    fields = given.split() if isinstance(given, str) else []
    if len(fields) not in {5, 6} or not all(_FIELD.fullmatch(field) for field in fields):
        raise DeclarationInvalidError(
            decorator="schedule",
            summary=f'expected five fields as in @schedule("*/15 * * * *"), got {cron!r}',
        )

    def attach(method: _Method) -> _Method:
        present: tuple[str, ...] = getattr(method, _ATTRIBUTE, ())
        setattr(method, _ATTRIBUTE, (" ".join(fields), *present))
        return method

    return attach


def schedules(cls: type) -> list[ScheduleDeclaration]:
    """Every schedule that a plugin's class declares, its own and inherited."""
    names = dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
    return [
        ScheduleDeclaration(name, cron)
        for name in names
        for cron in getattr(getattr(cls, name, None), _ATTRIBUTE, ())
    ]
