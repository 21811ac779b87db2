"""What a feed did and has not acknowledged yet, and who waits for that.

1. It is taken once, written, and forgotten; what could not be written is put back under what came meanwhile.
2. An attempt stays noted (`events.attempts`) until what became of it is written.
3. Whoever waits is told once everything that was pending then is written, or the cursor is lost.
"""

import asyncio
from typing import Any

from isp_plugins.events.attempts import Attempts
from isp_plugins.events.store import Ack


class Pending:
    """One cursor's unwritten acknowledgement."""

    def __init__(self, subscription_id: int, token: int, attempts: Attempts) -> None:
        self.lost = False
        """Whether the cursor belongs to somebody else by now."""
        self.delivered = self.retried = self.dead = 0
        self.rows: dict[int, dict[str, Any] | None] = {}
        self._subscription_id = subscription_id
        self._token = token
        self.ended: list[tuple[int, int]] = []
        """Events whose attempts have ended, and which attempts those were."""
        self._attempts = attempts
        self._ended_taken: list[tuple[int, int]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._taken: list[asyncio.Future[None]] = []

    def take(self, position: int, done: list[int]) -> Ack:
        """Everything that is pending, with the position that belongs to it."""
        ack = Ack(
            self._subscription_id,
            self._token,
            position,
            done,
            self.delivered,
            self.retried,
            self.dead,
            self.rows,
        )
        self.delivered = self.retried = self.dead = 0
        self.rows = {}
        self._taken += self._waiting
        self._waiting = []
        self._ended_taken += self.ended
        self.ended = []
        return ack

    def wrote(self) -> None:
        """What was taken is written."""
        taken, self._taken = self._taken, []
        self._forget_ended()
        _tell(taken)

    def put_back(self, ack: Ack) -> None:
        """What was taken was not written."""
        self.rows = ack.rows | self.rows
        self.delivered += ack.delivered
        self.retried += ack.retried
        self.dead += ack.dead
        self._waiting, self._taken = self._taken + self._waiting, []
        self.ended, self._ended_taken = self._ended_taken + self.ended, []

    def written(self) -> "asyncio.Future[None]":
        """Done once everything that is pending now is written, or the cursor is lost."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.lost:
            future.set_result(None)
        else:
            self._waiting.append(future)
        return future

    def lose(self) -> None:
        """Nothing is written any more."""
        self.lost = True
        self._ended_taken += self.ended
        self.ended = []
        self._forget_ended()
        _tell(self._waiting + self._taken)
        self._waiting, self._taken = [], []

    def _forget_ended(self) -> None:
        for event_id, attempt in self._ended_taken:
            self._attempts.end(self._subscription_id, event_id, attempt)
        self._ended_taken = []


def _tell(futures: "list[asyncio.Future[None]]") -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
