"""Looks every so often at how far each subscription has come, for metrics and health; what is shown is at most `PAUSE_S` old."""

from collections.abc import Sequence

from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.events.reading import EventReader
from isp_plugins.events.views import LagView
from isp_plugins.periodic import Periodic

PAUSE_S = 10.0


class LagSurvey:
    """The last look."""

    def __init__(self, reader: EventReader, *, pause_s: float = PAUSE_S) -> None:
        self.lags: Sequence[LagView] = ()
        """Every event subscription; empty before the first look."""
        self._reader = reader
        self._periodic = Periodic(self.look, pause_s, name="the look at event lag")

    def open(self) -> None:
        """Begin."""
        self._periodic.start()

    async def close(self) -> None:
        """End."""
        await self._periodic.stop()

    async def look(self) -> None:
        """Look now; what was seen last stays while the database is away."""
        try:
            self.lags = await self._reader.lag()
        except DatabaseUnavailableError:
            return
