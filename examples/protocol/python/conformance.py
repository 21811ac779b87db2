"""The conformance plugin in Python: what the suite uses to try an implementation of the worker protocol (docs/protocol.md).

isp-plugins protocol test --socket -- .venv/bin/python -m isp_plugin_sdk.serve --path examples/protocol/python conformance:Conformance
"""

import sys
import threading
from typing import Any

from app.services.plugin_service import PluginInterface, Reject, action


class Conformance(PluginInterface):
    """Does what it is told, for the suite to see."""

    def initialize(self) -> bool:
        return self.configure(self.config)

    def configure(self, config: dict[str, Any]) -> bool:
        if "refuse" in config:
            raise ValueError(config["refuse"])
        self.config = config
        return True

    def test_connection(self) -> dict[str, Any]:
        return {"ok": True}

    @action("conformance")
    def echo(self, payload: Any) -> Any:
        return payload

    def repeat(self, payload: dict[str, Any]) -> str:
        return str(payload["text"] * payload["times"])

    def odd(self, payload: Any) -> Any:
        return {1, 2}

    def fail(self, payload: dict[str, Any]) -> None:
        raise RuntimeError(payload["message"])

    def reject(self, payload: dict[str, Any]) -> None:
        raise Reject(payload["reason"])

    def slow(self, payload: dict[str, Any]) -> None:
        threading.Event().wait(payload["ms"] / 1000)

    def store(self, payload: dict[str, Any]) -> None:
        self.context.set(payload["key"], payload["value"])

    def fetch(self, payload: dict[str, Any]) -> Any:
        return self.context.get(payload["key"])

    def redispatch(self, payload: dict[str, Any]) -> Any:
        return self.context.dispatch(payload["hook"], payload["payload"])["value"]

    def say(self, payload: dict[str, Any]) -> None:
        self.logger.info("%s", payload["text"])
        print(payload["text"])
        print(payload["text"], file=sys.stderr)

    def configuration(self, payload: Any) -> dict[str, Any]:
        return dict(self.config)
