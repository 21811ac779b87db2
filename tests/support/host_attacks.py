"""What a hostile plugin tries with and against its host: messages that it forges, names of others, an SDK that it rewrites.

Each piece runs in a worker with `host` (paths and numbers of the host, `victim` and its `id`), `say`, `ask`, `context` and `config`; it leaves in `value` what it got.
"""

from dataclasses import dataclass

PLUGIN = """
import ctypes, gc, json, os, socket, threading
from app.services.plugin_service import PluginInterface

def link():
    return next(each for each in gc.get_objects() if type(each).__name__ == "Link")

def say(**message):
    link().send_text(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")

def ask(request, **params):
    came, answers = threading.Event(), []
    link().ask(request, params, lambda message: (answers.append(message), came.set()))
    came.wait(20)
    return answers[0].get("result", answers[0].get("error"))

class Plugin(PluginInterface):
    def initialize(self):
        self.heard = []
        self.held, self.go_on = threading.Event(), threading.Event()
        return True

    def attack(self, code, host):
        space = {"host": host, "say": say, "ask": ask, "context": self.context, "config": self.config, "os": os, "socket": socket, "ctypes": ctypes}
        try:
            exec(code, space)
        except BaseException as error:
            return {"error": type(error).__name__, "text": str(error)}
        return {"error": None, "value": space.get("value")}

    def keep(self, secret):
        self.context.set("secret", secret)
        with open(os.path.join(os.environ["HOME"], "secret"), "w") as file:
            file.write(secret)
        return os.environ["HOME"]

    def hold(self):
        self.held.set()
        self.go_on.wait(60)
        return "mine"

    def holds(self):
        return self.held.is_set()

    def release(self):
        self.go_on.set()

    def listen(self, payload):
        self.heard.append(payload)

    def take_heard(self):
        heard, self.heard = self.heard, []
        return heard
"""
SECRET = "the-secret-of-another-4b1d"


@dataclass(frozen=True)
class HostAttack:
    """One piece; `gets` is what the plugin has of it in the end, an error's name or a value."""

    code: str
    gets: tuple[object, ...]
    """Any of these."""
    without: str = "victim"
    """Who runs the same code for comparison, and must get something else: the `victim` itself, a `trusted` plugin without a sandbox, or one that is `granted` it."""
    told: str = ""
    """What the audit trail says was denied; empty where only the kernel, or nobody, sees that something was tried."""


FILES = {
    "read the host's key": HostAttack("value = open(host['key']).read()", ("PermissionError",), "trusted"),
    "read the host's database": HostAttack(
        "value = open(host['database'], 'rb').read(16).hex()", ("PermissionError",), "trusted"
    ),
    "read the host's environment": HostAttack(
        "value = open(f\"/proc/{host['pid']}/environ\", 'rb').read().hex()",
        ("PermissionError", "FileNotFoundError"),
        "trusted",
    ),
    "signal the host": HostAttack(
        "os.kill(host['pid'], 0); value = 'sent'", ("PermissionError", "ProcessLookupError"), "trusted"
    ),
    "read another plugin's folder": HostAttack(
        "value = open(host['folder'] + '/secret').read()", ("PermissionError",)
    ),
    "read another plugin's code": HostAttack("value = open(host['code']).read()", ("PermissionError",)),
}
STORAGE = {
    f"storage key {key!r}": HostAttack(f"value = context.get({key!r}.format(**host))", (None,), without="same bytes")
    for key in ("victim/secret", "../{id}/secret", "{id}/secret", "{id}:secret", "plugin:{id}:secret", "victim\\u0000secret")
} | {
    "storage key of another's": HostAttack("value = context.get('secret')", (None,)),
    "all storage keys": HostAttack("value = context.list('')", ([],)),
    "deleting another's storage key": HostAttack("value = context.delete('secret')", (False,), "same bytes"),
}  # fmt: skip
FORGED = {
    "a host call in the name of another plugin": HostAttack(
        "value = ask('storage.get', key='secret', plugin='victim', plugin_id=host['id'], plugin_name='victim', origin='victim')", (None,)
    ),
    "a host call under another plugin's call": HostAttack("value = [ask('storage.get', key='secret', call=number) for number in range(1, 40)][-1]", (None,)),
    "a host call that stores for another plugin": HostAttack("value = ask('storage.set', key='secret', value='overwritten', plugin_id=host['id'], plugin='victim'); context.delete('secret')", (None,), "same bytes"),
    "a host call with a number of its own": HostAttack("say(id=host['id'], method='storage.get', params={'key': 'secret'}); value = context.get('secret')", (None,)),
    "a request of the host's": HostAttack("value = ask('execute', method='keep', parameters=['x'])['code']", (-32601,), "same bytes"),
}  # fmt: skip
REWRITTEN = {
    "Python's own connect": HostAttack(
        "import _socket\nplain = _socket.socket(2, 1)\n_socket.socket.connect(plain, ('127.0.0.1', host['port'])); value = 'reached'", ("PermissionError",), "trusted"
    ),
    "the system's own connect": HostAttack(
        "import struct\nplain = socket.socket()\naddress = struct.pack('!HH4s8x', 0x0200, host['port'], bytes([127, 0, 0, 1]))\n"
        "if ctypes.CDLL(None, use_errno=True).connect(plain.fileno(), address, 16): raise PermissionError(ctypes.get_errno())\nvalue = 'reached'",
        ("PermissionError",),
        "trusted",
    ),
    "the SDK's connect": HostAttack("socket.create_connection(('127.0.0.1', host['port']), 20); value = 'reached'", ("NotGrantedError",), "granted", "127.0.0.1:{port}"),
    "the broker behind the SDK's back": HostAttack(
        "from isp_plugin_sdk.sandbox import errors, network\nimport gc\nasked = next(each for each in gc.get_objects() if type(each) is network.Network)\n"
        "network.wait_for(asked.broker.connect('127.0.0.1', host['port'], family=2, timeout_s=20), 20); value = 'reached'",
        ("NotGrantedError",),
        "granted",
        "127.0.0.1:{port}",
    ),
    "the name of the machine itself": HostAttack("value = socket.getaddrinfo('localhost', host['port'])[0][4][0] and 'resolved'", ("NotGrantedError",), "trusted", "the addresses of localhost"),
    "a host call that is not granted": HostAttack("value = context.dispatch('customer_deleted', {'id': 1})['status']", ("NotGrantedError",), "granted", "dispatch:customer_deleted"),
    "the same behind the SDK's back": HostAttack("got = ask('dispatch', hook='customer_deleted', payload={'id': 1}); value = got.get('code') or got['status']", (8,), "granted", "dispatch:customer_deleted"),
    "a secret that is not granted": HostAttack("value = config.get('password')", (None,), "granted", "password"),
}  # fmt: skip
ALL = FILES | STORAGE | FORGED | REWRITTEN
"""`same bytes`: whoever sends it, it means the sender's own; so there is nothing to compare with, and the victim's state is looked at instead."""
