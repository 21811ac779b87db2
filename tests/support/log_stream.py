"""A plugin that logs what it is told, and a reader of the log stream."""

import json
from contextlib import contextmanager

from isp_plugins.cli.sse import events_in, lines_of

CHATTY = """
import logging
import threading
import time

from app.services.plugin_service import PluginInterface

module_logger = logging.getLogger(__name__)


class Plugin(PluginInterface):
    def initialize(self):
        module_logger.info("initialized")
        return True

    def say(self, text, count=1, level="INFO"):
        for number in range(count):
            self.logger.log(logging.getLevelName(level), "%s %d", text, number)

    def say_from_module(self, text, level="INFO"):
        module_logger.log(logging.getLevelName(level), text)

    def flood(self, seconds=1.0):
        self.flooding = True
        self.written = 0
        self.thread = threading.Thread(target=self._flood, args=(seconds,), daemon=True)
        self.thread.start()

    def _flood(self, seconds):
        end = time.monotonic() + seconds
        info = self.logger.info
        while time.monotonic() < end:
            for number in range(1000):
                info("flood %d", number)
            self.written += 1000

    def flooded(self):
        self.thread.join()
        return self.written

    def plain(self, payload):
        return payload

    async def awaited(self, payload):
        return payload

    def fail(self, payload):
        raise ValueError("always")
"""


def execute(server, plugin, method, *parameters):
    """Call a method of the plugin's and return its result."""
    answer = server.admin.post(
        f"/plugins/{plugin['id']}/execute", json={"method_name": method, "parameters": list(parameters)}
    )
    return answer.raise_for_status().json()["result"]


@contextmanager
def following(client, *, last_event_id=None, **params):
    """The events of the log stream, one after the other."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    with client.stream("GET", "/plugins/logs/stream", params=params, headers=headers) as response:
        if response.is_error:
            response.read()
        response.raise_for_status()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield events_in(lines_of(response.iter_text()))


def records(events, count):
    """The next so many log records."""
    found = []
    for event in events:
        if event.kind == "log":
            found.append(json.loads(event.data))
            assert event.id == str(found[-1]["id"])
        if len(found) == count:
            return found
    return found


def messages(events, count):
    """The messages of the next so many log records."""
    return [record["message"] for record in records(events, count)]
