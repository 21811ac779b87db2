"""Gates at which a plugin under test stands until the test opens them: hanging, without sleeping and without an end of its own."""

import asyncio
import threading
from collections import defaultdict


class Gate:
    """Closed until somebody opens it; tells whether anybody has come to it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self.passed = threading.Event()

    def wait(self) -> bool:
        """Stand here; True, so that a lifecycle method can return it."""
        self.reached.set()
        self.opened.wait()
        self.passed.set()
        return True

    async def wait_async(self) -> bool:
        """Stand here as a coroutine."""
        self.reached.set()
        while not self.opened.is_set():
            await asyncio.sleep(0.001)
        self.passed.set()
        return True


_gates: defaultdict[str, Gate] = defaultdict(Gate)


def gate(name: str) -> Gate:
    """The gate of that name, the same for plugin and test."""
    return _gates[name]
