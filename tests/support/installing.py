"""Real small packages for tests over HTTP: plugins with a dependency of their own, and a folder of wheels that stands for an index."""

import json

from support.wheels import make_plugin_wheel, make_wheel

CODE = """
import dep
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return not self.config.get("refuse")

    def version(self):
        return dep.VERSION

    def welcome(self, customer):
        count = (self.context.get("count") or 0) + 1
        self.context.set("count", count)
        return {"greeting": self.config["greeting"], "dep": dep.VERSION, "count": count}
"""
HOOK = {"hook_name": "customer_created", "hook_type": "action", "callback_method": "welcome"}
MANIFEST = """\
name = "{name}"
version = "{version}"
plugin_type = "CUSTOM"
entry_point = "{name}.plugin:Plugin"

[grants]
host_calls = ["storage"]
secrets = ["password"]

[config_schema]
greeting = {{ type = "string", default = "hello" }}
password = {{ type = "string", encrypted = true }}
refuse = {{ type = "boolean", default = false }}

[[hooks]]
hook_name = "customer_created"
hook_type = "action"
callback_method = "welcome"
"""


def index(folder):
    """A folder of wheels: `dep` 1.0 and 2.0."""
    make_wheel(folder, "dep", "1.0")
    make_wheel(folder, "dep", "2.0")
    return folder


def plugin(folder, name, needs="dep", *, version="1.0.0", code=CODE, manifest=MANIFEST):
    """The wheel of a plugin that needs `dep`."""
    described = manifest.format(name=name, version=version)
    return make_plugin_wheel(folder, name, version, requires=(needs,), manifest=described, code=code)


def install(client, wheel, *, wait=60, **fields):
    """Send a wheel; the operation as the answer tells it."""
    fields = {"accept_grants": True} | fields
    data = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
    headers = {"Prefer": f"wait={wait}"} if wait is not None else {}
    with wheel.open("rb") as stream:
        return client.post(
            "/plugins/install", data=data, files={"file": (wheel.name, stream)}, headers=headers, timeout=120
        )


def installed(client, wheel, **fields):
    """Install a wheel and return the plugin."""
    operation = install(client, wheel, **fields).raise_for_status().json()
    assert operation["state"] == "succeeded", operation
    return client.get(f"/plugins/{operation['result']['plugin_id']}").raise_for_status().json()
