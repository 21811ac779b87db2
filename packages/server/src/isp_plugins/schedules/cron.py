"""Cron expressions, in UTC: which slot is due, and which comes next; pure.

Five fields (minute, hour, day, month, weekday), or six with seconds at the end, as cronsim reads them.
"""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

MAX_COUNTED = 10_000


def problem_of(cron: str) -> str | None:
    """What is wrong with an expression; None where nothing is."""
    try:
        next(CronSim(cron, datetime(2030, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return f"{error}"
    except StopIteration:
        return "it never comes"
    return None


def next_after(cron: str, moment: datetime) -> datetime:
    """The first slot after a moment."""
    return next(CronSim(cron, moment))


def due(cron: str, last: datetime, now: datetime) -> tuple[datetime, int] | None:
    """The newest slot after `last` that has come by `now`, and how many before it nobody ran; None where none has."""
    slots = CronSim(cron, last)
    slot, passed = next(slots, None), 0
    if slot is None or slot > now:
        return None
    while (following := next(slots, None)) is not None and following <= now:
        slot, passed = following, passed + 1
        if passed >= MAX_COUNTED:
            return next(CronSim(cron, now + timedelta(seconds=1), reverse=True)), passed
    return slot, passed
