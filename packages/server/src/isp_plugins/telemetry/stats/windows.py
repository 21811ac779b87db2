"""The spans of time that statistics are shown for."""

from enum import StrEnum

MINUTE_S = 60
MINUTES_AN_HOUR = 60


class Window(StrEnum):
    """How far back a report looks; the oldest minute (of a day: hour) is counted whole."""

    FIVE_MINUTES = "5m"
    """Five minutes and the one that runs."""
    HOUR = "1h"
    """Sixty minutes and the one that runs."""
    DAY = "1d"
    """Twenty-four hours and the one that runs."""

    @property
    def seconds(self) -> int:
        """Its length."""
        return SECONDS[self]


SECONDS = {Window.FIVE_MINUTES: 300, Window.HOUR: 3600, Window.DAY: 86400}
