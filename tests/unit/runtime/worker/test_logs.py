"""What a worker prints and logs, with a secret on every border at which something is cut."""

import asyncio
import logging
import os

import pytest

from isp_plugins.runtime.worker.logs import MAX_KEPT, MAX_LINE, Output, WorkerLog
from isp_plugins.telemetry.masking import MASK, Masker
from support.waiting import until

SECRET = "s3cret-" * 6
BEFORE = [0, 1, len(SECRET) // 2, len(SECRET) - 1, len(SECRET)]
"""How much of the secret stands before the border."""


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def log(kept):
    logger = logging.Logger("plugin", logging.DEBUG)  # noqa: LOG001  the process shall not keep it
    logger.addHandler(kept)
    return WorkerLog(logger, 1_000_000.0, lambda: 0.0, Masker([SECRET]))


def hints_at_the_secret(text):
    """Whether the mask is missing somewhere: a beginning or an end of the secret stands there."""
    return SECRET[:7] in text or SECRET[-7:] in text


@pytest.mark.parametrize("before", BEFORE)
def test_secret_on_the_cut_of_a_kept_record_is_masked(log, before):
    log.record(
        {"level": "INFO", "message": "x" * (MAX_KEPT - len("INFO ") - before) + SECRET + "y" * 50}, None
    )
    (line,) = log.tail
    assert (len(line) <= MAX_KEPT, hints_at_the_secret(line)) == (True, False)


@pytest.mark.parametrize("before", BEFORE)
def test_secret_on_the_cut_of_a_kept_printed_line_is_masked(log, before):
    log.line("x" * (MAX_KEPT - before) + SECRET + "y" * 50, logging.INFO)
    (line,) = log.tail
    assert (len(line) <= MAX_KEPT, hints_at_the_secret(line)) == (True, False)


@pytest.mark.parametrize("newline", [b"", b"\n"])
@pytest.mark.parametrize("before", BEFORE)
async def test_secret_on_the_border_of_two_pieces_of_a_line_is_masked(log, kept, before, newline):
    printed = ("é" * (MAX_LINE - before) + SECRET + "y" * (2 * MAX_LINE) + "end").encode() + newline
    await print_all(log, printed)
    text = "".join(kept.said)
    assert not any(hints_at_the_secret(said) for said in [*kept.said, *log.tail])
    assert text == "é" * (MAX_LINE - before) + MASK + "y" * (2 * MAX_LINE) + "end"


async def test_line_that_comes_byte_by_byte_loses_nothing(log, kept):
    await print_all(log, "grüße ".encode() * 20_000, size=997)
    assert "".join(kept.said) == "grüße " * 20_000
    assert max(map(len, kept.said)) <= MAX_LINE


async def print_all(log, printed, size=65_536):
    """Print it, in pieces of this size, and wait for the end."""
    reading, writing = os.pipe()
    output = Output(os.fdopen(reading, "rb", buffering=0), logging.INFO, log, asyncio.get_running_loop())

    def write():
        with os.fdopen(writing, "wb", buffering=0) as stream:
            for at in range(0, len(printed), size):
                part = printed[at : at + size]
                while part:
                    part = part[stream.write(part) :]

    await asyncio.to_thread(write)
    await until(output.ended.is_set, within=60)
