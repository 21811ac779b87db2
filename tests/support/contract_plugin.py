"""The plugin on which the SDK's contract is tried: it runs the lines that a test hands it, as the body of a plain method or a coroutine."""

import pytest

REGISTRATION = {
    "name": "sample",
    "module_path": "plugins.contract.plugin",
    "entry_point": "Plugin",
    "config_schema": {"limit": {"type": "integer", "default": 3}, "names": {"type": "array"}},
}
FILES = {
    "__init__.py": "__version__ = '4.5'\n",
    "data/greeting.txt": "hello from a file",
    "helper.py": "def double(n):\n    return 2 * n\n",
    "base.py": """
        import logging

        from app.services.plugin_service import PluginInterface
        from isp_plugin_sdk import action, filter

        log = logging.getLogger(__name__)


        class Base(PluginInterface):
            word = "base"

            def __init__(self, plugin_id, config):
                super().__init__(plugin_id, config)
                self.seen = [self.plugin_id, dict(self.config), self.context.plugin_name, self.context.hook]
                self.steps = ["constructed"]

            def initialize(self):
                self.steps.append("initialized")
                self.context.set("initialized", True)
                return True

            @action("customer_created", priority=20)
            def inherited(self, payload):
                return [self.word, payload]

            @filter("invoice_items")
            def change(self, value):
                value["n"] += 1
                return value
    """,
    "plugin.py": """
        import asyncio
        import contextvars
        import functools
        import threading
        from pathlib import Path

        from isp_plugin_sdk import Reject, RetryLater, action, errors

        from . import base
        from .helper import double

        NAMES = globals()


        def body(kind, code, names):
            spaces = {}
            lines = "\\n".join("    " + line for line in code.splitlines())
            exec(f"{kind} body(self, payload):\\n{lines}\\n", names, spaces)
            return spaces["body"]


        def traced(function):
            @functools.wraps(function)
            def wrapper(self, payload):
                return ["traced", function(self, payload)]
            return wrapper


        class Plugin(base.Base):
            "A plugin that does what a test says."

            word = "plugin"
            kept = None

            def initialize(self):
                return super().initialize()

            async def activate(self):
                self.steps.append("activated")
                await self.context.aio.set("activated", True)

            def configure(self, config):
                if config["limit"] < 0:
                    raise ValueError("limit")
                self.steps.append("configured")

            def test_connection(self):
                return {"ok": True, "message": "here", "steps": self.steps}

            def health_check(self):
                return {"status": "degraded", "checks": [{"name": "a", "status": "warn", "message": "b"}]}

            def cleanup(self):
                self.context.set("cleaned", self.steps)
                return True

            def plain(self, given):
                return body("def", given["code"], NAMES)(self, given["payload"])

            async def coroutine(self, given):
                return await body("async def", given["code"], NAMES)(self, given["payload"])

            @traced
            def wrapped(self, payload):
                return payload

            @staticmethod
            def static(payload):
                return ["static", payload]

            @classmethod
            def of_class(cls, payload):
                return [cls.word, payload]

            @action("customer_created", priority=10)
            def first(self, payload):
                return self.context.hook

            def wait_for_ever(self, payload):
                threading.Event().wait(payload.get("seconds"))

            async def await_for_ever(self, payload):
                try:
                    await asyncio.Event().wait()
                finally:
                    self.context_after = "cancelled"

            def two(self, one, other=2):
                return [one, other]
    """,
}


WORDS = {
    "plain": {"<host>": "self.context", "<with>": "with", "<context>": "self.context", "<wait>": ""},
    "coroutine": {
        "<host>": "await self.context.aio", "<with>": "async with", "<context>": "self.context.aio", "<wait>": "await ",
    },
}  # fmt: skip
"""What stands for the plain way and for its awaitable twin in a test's lines."""


def raised(run, code, payload=None, **options):
    """The name and text of what the plugin raised."""
    with pytest.raises(BaseException) as caught:
        run(code, payload, **options)
    return type(caught.value).__name__, str(caught.value)
