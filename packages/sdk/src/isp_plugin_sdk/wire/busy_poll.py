"""Adaptive busy polling: whether whoever waits for the next message looks for it for a moment before it falls asleep.

1. Falling asleep and waking up costs more than a small call. So where messages follow each other promptly, it pays to look again and again.
2. It begins after a message that came promptly, and ends the first time that nothing comes. Each miss makes the pause until the next try
   twice as long, up to `MOST_SAT_OUT` messages, and hits shorten it again: a plugin that takes its time costs nothing.
3. With a single processor it never pays: the other side could not go on meanwhile.
"""

import os

PROMPT = 2
"""A message is prompt that came within so many looks."""
MOST_SAT_OUT = 255
"""Prompt messages after which it is tried again, at most."""


class BusyPoll:
    """One waiting side's decision.

    Args:
        seconds: How long a look lasts at most; 0: never look.
    """

    __slots__ = ("_penalty", "_prompt_s", "_sit_out", "hits", "on", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds if (os.cpu_count() or 1) > 1 else 0.0
        self.on = False
        """Whether to look."""
        self.hits = 0
        """Looks that found something since one did not; whoever looks counts them."""
        self._prompt_s = PROMPT * self.seconds
        self._penalty = 0
        self._sit_out = 0

    def came(self, after_s: float) -> None:
        """A message came, so long after the wait for it began; nobody looked."""
        if self.on or after_s >= self._prompt_s:
            return
        if self._sit_out:
            self._sit_out -= 1
        else:
            self.on = True

    def missed(self) -> None:
        """A look found nothing."""
        self.on = False
        left = max(0, self._penalty - self.hits)
        self._penalty = self._sit_out = min(2 * left + 1, MOST_SAT_OUT)
        self.hits = 0
