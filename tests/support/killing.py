"""Kills a child process at a moment that a test chooses: after it said a word, and so much later."""

import asyncio
import signal

from support.forked import AsyncForked

PATIENCE_S = 60
"""How long a child on a busy machine may take until it has said its words."""


async def killed(child: AsyncForked, *words: str, pause_s: float = 0.0) -> None:
    """Read until the child has said these words, one after the other on lines of their own; kill it so much later."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            for word in words:
                await _said(child, word)
        await asyncio.sleep(pause_s)
    finally:
        child.kill()
    assert await child.wait() == -signal.SIGKILL


async def _said(child: AsyncForked, word: str) -> None:
    while (line := await child.stdout.readline()).decode().strip() != word:
        assert line, f"the child ended before it said {word}"
