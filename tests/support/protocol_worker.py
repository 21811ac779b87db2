"""A small worker that speaks the protocol, with the conformance plugin; run as a script.

It is the third implementation beside the SDK's and the one in Node.js, written against docs/protocol.md alone, one thread a call.
`protocol_faults` breaks it, one rule at a time.
"""

import json
import os
import socket
import sys
import threading

RAISED, REJECTED, NOT_SENDABLE, NOT_CALLABLE, INITIALIZE_FAILED = 1, 2, 4, 5, 6
NOT_JSON, NOT_A_REQUEST, UNKNOWN, BAD_PARAMS = -32700, -32600, -32601, -32602


class ProtocolError(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({} if data is None else {"data": data})


class Reject(Exception):
    """The plugin vetoes the dispatch, with this reason."""


class Plugin:
    """The conformance plugin."""

    methods = (
        "echo",
        "repeat",
        "odd",
        "fail",
        "reject",
        "slow",
        "store",
        "fetch",
        "redispatch",
        "say",
        "configuration",
    )

    def __init__(self, worker):
        self.worker = worker
        self.config = {}

    def configure(self, config):
        if "refuse" in config:
            raise ValueError(config["refuse"])
        self.config = config

    def echo(self, payload, call):
        return payload

    def repeat(self, payload, call):
        return payload["text"] * payload["times"]

    def odd(self, payload, call):
        return float("nan")

    def fail(self, payload, call):
        raise RuntimeError(payload["message"])

    def reject(self, payload, call):
        raise Reject(payload["reason"])

    def slow(self, payload, call):
        threading.Event().wait(payload["ms"] / 1000)

    def store(self, payload, call):
        self.worker.ask("storage.set", payload, call)

    def fetch(self, payload, call):
        return self.worker.ask("storage.get", payload, call)

    def redispatch(self, payload, call):
        return self.worker.ask("dispatch", payload, call)["value"]

    def say(self, payload, call):
        self.worker.log(payload["text"], call)
        print(payload["text"], file=sys.stderr)

    def configuration(self, payload, call):
        return self.config


class Worker:
    """Reads lines, answers them."""

    checks = ({"name": "self", "status": "pass", "message": ""},)
    capabilities = ("activate", "configure", "test_connection")

    def __init__(self, stream_in, stream_out):
        self.stream_in, self.stream_out = stream_in, stream_out
        self.lock = threading.Lock()
        self.plugin = Plugin(self)
        self.limit = 65536
        self.greeted = self.initialized = False
        self.asked = {}
        self.last_id = 0

    def run(self):
        while True:
            line = self.stream_in.readline(self.limit + 1)
            if not line:
                self.ended()
                return
            if not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = self.stream_in.readline(self.limit + 1)
                self.too_long()
                continue
            self.take(line)

    def ended(self):
        os._exit(0)

    def too_long(self):
        self.answer_error(None, ProtocolError(NOT_A_REQUEST, "The message is longer than the limit."))

    def take(self, line):
        try:
            message = json.loads(line.decode())
        except ValueError as error:
            self.answer_error(None, ProtocolError(NOT_JSON, f"Not JSON: {error}"))
            return
        if not isinstance(message, dict) or not ("method" in message or "id" in message):
            self.answer_error(None, ProtocolError(NOT_A_REQUEST, "Not a request."))
        elif "method" not in message:
            self.take_answer(message)
        elif "id" not in message:
            self.take_notification(message)
        else:
            self.take_request(message["id"], message["method"], message.get("params", {}))

    def take_answer(self, message):
        waiting = self.asked.pop(message["id"], None)
        if waiting:
            waiting[1].append(message)
            waiting[0].set()

    def take_notification(self, message):
        if message["method"] == "exit":
            self.exit()

    def exit(self):
        os._exit(0)

    def take_request(self, number, method, params):
        try:
            self.check_order(method)
            work = getattr(self, f"on_{method}", None)
            if work is None:
                raise ProtocolError(UNKNOWN, f"There is no request {method}.")
            if method in ("invoke", "execute", "health"):
                if method != "health":
                    self.check_params(params)
                self.start(number, work, params)
            else:
                self.answer(number, work(params))
        except ProtocolError as error:
            self.answer_error(number, error)

    def check_order(self, method):
        if not self.greeted and method != "handshake":
            raise ProtocolError(NOT_A_REQUEST, "Expected the handshake first.")
        if not self.initialized and method in ("invoke", "execute"):
            raise ProtocolError(NOT_A_REQUEST, "Expected initialize first.")

    def check_params(self, params):
        if not isinstance(params, dict):
            raise ProtocolError(BAD_PARAMS, "params: expected an object.")
        if not isinstance(params.get("method"), str):
            raise ProtocolError(BAD_PARAMS, "method: expected a text.")

    def start(self, number, work, params):
        threading.Thread(target=self.call, args=(number, work, params), daemon=True).start()

    def call(self, number, work, params):
        try:
            self.answer(number, work(params | {"id": number}))
        except ProtocolError as error:
            self.answer_error(number, error)
        except Reject as veto:
            self.answer_error(number, ProtocolError(REJECTED, "Rejected.", self.rejection(str(veto))))
        except Exception as error:
            self.answer_error(number, ProtocolError(RAISED, "It raised.", self.raised(error)))

    def rejection(self, reason):
        return {"reason": reason}

    def raised(self, error):
        return {"type": type(error).__name__, "message": str(error)}

    def on_handshake(self, params):
        version = self.choose(params["protocol"])
        self.limit = params["max_message_bytes"]
        self.greeted = True
        return {
            "protocol": version,
            "implementation": {"name": "support", "version": "1", "language": "Python"},
        }

    def choose(self, versions):
        if 1 not in versions:
            raise ProtocolError(BAD_PARAMS, self.no_common_version)
        return 1

    no_common_version = "This worker speaks version 1 only."

    def on_initialize(self, params):
        self.check_initialize()
        try:
            self.plugin.configure(params["config"])
        except ValueError as error:
            data = {"step": "initialize", "kind": "raised", "reason": self.reason(error)}
            raise ProtocolError(INITIALIZE_FAILED, "initialize failed.", data) from error
        self.initialized = True
        return self.description()

    def check_initialize(self):
        if self.initialized:
            raise ProtocolError(NOT_A_REQUEST, "Already initialized.")

    def reason(self, error):
        return str(error)

    def description(self):
        methods = [{"name": name, "takes_payload": True} for name in self.plugin.methods]
        hooks = [{"hook": "conformance", "type": "action", "method": "echo"}]
        return {"hooks": hooks, "methods": methods, "capabilities": list(self.capabilities)}

    def on_activate(self, params):
        return {}

    def on_ping(self, params):
        return {}

    def on_info(self, params):
        return {"name": "conformance"}

    def on_test_connection(self, params):
        return {"ok": True}

    def on_cleanup(self, params):
        return {"problem": None}

    def on_health(self, params):
        return {"status": "healthy", "checks": list(self.checks)}

    def on_configure(self, params):
        try:
            self.plugin.configure(params["config"])
        except ValueError as error:
            raise ProtocolError(RAISED, "configure failed.", self.raised(error)) from error
        return {}

    def on_invoke(self, params):
        return self.method(params["method"])(params["payload"], params["id"])

    def on_execute(self, params):
        method, given = self.method(params["method"]), params["parameters"]
        return method(self.bind(given), params["id"])

    def bind(self, given):
        if isinstance(given, dict):
            return given["payload"] if given.keys() == {"payload"} else given
        if given is None or len(given) != 1:
            raise ProtocolError(NOT_CALLABLE, "Expected one parameter.", {"kind": "parameters"})
        return given[0]

    def method(self, name):
        if name not in self.plugin.methods:
            raise ProtocolError(NOT_CALLABLE, f"There is no method {name}.", {"kind": "unknown"})
        return getattr(self.plugin, name)

    def ask(self, method, params, call):
        with self.lock:
            self.last_id += 1
            number = self.last_id
            waiting = self.asked[number] = (threading.Event(), [])
        self.send({"id": number, "method": method, "params": params | self.under(call)})
        waiting[0].wait()
        message = waiting[1][0]
        if "error" in message:
            raise RuntimeError(message["error"]["message"])
        return message["result"]

    def under(self, call):
        return {"call": call}

    def log(self, text, call):
        self.send({"method": "log", "params": {"level": "INFO", "message": text} | self.under(call)})

    def answer(self, number, result):
        try:
            line = self.line({"id": number, "result": result})
        except ValueError as error:
            raise ProtocolError(NOT_SENDABLE, f"The result is no JSON value: {error}") from error
        if self.limit_answers and len(line) - 1 > self.limit:
            raise ProtocolError(NOT_SENDABLE, f"The result needs {len(line)} bytes of {self.limit}.")
        self.write(line)

    limit_answers = True

    def answer_error(self, number, error):
        self.send({"id": number, "error": error.error})

    def send(self, message):
        self.write(self.line(message))

    def line(self, message):
        return json.dumps({"jsonrpc": "2.0"} | message, allow_nan=False, ensure_ascii=False).encode() + b"\n"

    def write(self, line):
        with self.lock:
            self.stream_out.write(line)
            self.stream_out.flush()


def streams():
    """The inherited socket, or standard input and output."""
    number = os.environ.get("ISP_PLUGIN_SOCKET")
    if number is None:
        return sys.stdin.buffer, sys.stdout.buffer
    channel = socket.socket(fileno=int(number))
    return channel.makefile("rb"), channel.makefile("wb")


if __name__ == "__main__":
    kind = Worker
    if len(sys.argv) > 1:
        from protocol_faults import FAULTS

        kind = FAULTS[sys.argv[1]]
    kind(*streams()).run()
