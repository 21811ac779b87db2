"""Workers that each break one rule of the protocol: by the name of the check that has to notice."""

import json
import os
import threading

from protocol_worker import RAISED, Plugin, ProtocolError, Worker

FAULTS = {}


def breaks(name, **attributes):
    """Register a worker that differs from the good one in these attributes; a callable becomes a method."""
    FAULTS[name] = type("Broken", (Worker,), attributes)


def breaks_plugin(name, **attributes):
    """The same for the plugin in the worker."""
    plugin = type("BrokenPlugin", (Plugin,), attributes)

    def __init__(self, *streams):
        Worker.__init__(self, *streams)
        self.plugin = plugin(self)

    breaks(name, __init__=__init__)


def talkative(self, params):
    self.log("hello", 1)
    return Worker.on_handshake(self, params)


def anything(*_):
    """Checks nothing, does nothing."""


def never(*_):
    threading.Event().wait()


def forbid(self, message):
    raise ProtocolError(RAISED, message, {"type": "X", "message": "x"})


# Opening
breaks("handshake", on_handshake=talkative)
breaks("handshake-chooses-version", choose=lambda _, versions: versions[-1])
breaks("handshake-refuses-version", no_common_version="No.")
breaks("handshake-comes-first", check_order=anything)
breaks(
    "initialize",
    description=lambda _: {
        "hooks": [{"hook": "h", "type": "action", "method": "gone"}],
        "methods": [],
        "capabilities": [],
    },
)
breaks("initialize-comes-before-calls", check_order=anything)
breaks("initialize-happens-once", check_initialize=anything)
breaks("initialize-can-fail", reason=lambda *_: "it failed")
breaks_plugin("configuration-arrives", configuration=lambda self, *_: {**self.config, "text": "gr?"})
breaks("activate", on_activate=lambda self, params: forbid(self, "no activate here"))
breaks("unknown-members-are-ignored", on_ping=lambda self, params: forbid(self, "what?") if params else {})

# Messages
breaks("ping", on_ping=anything)
breaks("unknown-request", on_no_such_request=lambda *_: {})
breaks("bad-params", check_params=anything)


def repair(self, line):
    try:
        json.loads(line)
    except ValueError:
        return
    Worker.take(self, line)


breaks("not-json", take=repair)


def take_batches(self, line):
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    for one in message if isinstance(message, list) else []:
        Worker.take(self, json.dumps(one).encode())
    if not isinstance(message, list):
        Worker.take(self, line)


breaks("not-a-message", take=take_batches)


def answer_notifications(self, message):
    self.answer_error(None, ProtocolError(-32601, "There is no such notification."))
    Worker.take_notification(self, message)


breaks("unknown-notifications-are-ignored", take_notification=answer_notifications)


def read_chunks(self):
    while data := self.stream_in.read1(65536):
        self.take(data)


breaks("pieces", run=read_chunks)
breaks_plugin(
    "unicode", echo=lambda _self, payload, _call: json.loads(json.dumps(payload).replace("\\u2028", ""))
)
breaks_plugin("json-values", echo=lambda _self, payload, _call: 1 if payload is True else payload)
breaks_plugin("large-payload", echo=lambda _self, payload, _call: payload[:1_000_000])
breaks("too-large-result", limit_answers=False)


def read_everything(self):
    while line := self.stream_in.readline():
        self.take(line)


breaks("too-large-message", run=read_everything)
breaks("result-not-json", line=lambda _, message: json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

# Calls
breaks_plugin("invoke", echo=lambda _self, payload, _call: [payload])
breaks("invoke-unknown-method", method=lambda self, name: getattr(self.plugin, name, lambda *_: None))
breaks("execute", bind=lambda _, given: given[0] if isinstance(given, list) and len(given) == 1 else given)


def bind_loosely(self, given):
    return Worker.bind(self, given) if given else None


breaks("execute-bad-parameters", bind=bind_loosely)
breaks("error-of-a-method", raised=lambda *_: {"type": "Error", "message": "something"})
breaks("rejection", rejection=lambda *_: {"reason": "no"})


def print_to_channel(self, payload, call):
    self.worker.log(payload["text"], call)
    self.worker.write(payload["text"].encode() + b"\n")


breaks_plugin("output", say=print_to_channel)


# Several things at once
def one_by_one(self, number, work, params):
    self.call(number, work, params)


def one_call(self, number, work, params):
    """Calls run in one thread, so that pings pass but calls wait for each other."""
    self.gate = getattr(self, "gate", None) or threading.Lock()

    def in_turn():
        with self.gate:
            self.call(number, work, params)

    threading.Thread(target=in_turn, daemon=True).start()


def pool(size, **free):
    """At most `size` calls at once; `nested=True`: calls with a parent need no place."""

    def start(self, number, work, params):
        self.places = getattr(self, "places", None) or threading.Semaphore(size)

        def in_turn():
            if free.get("nested") and "parent" in params.get("call", {}):
                self.call(number, work, params)
            else:
                with self.places:
                    self.call(number, work, params)

        threading.Thread(target=in_turn, daemon=True).start()

    return start


breaks("ping-during-a-call", start=one_by_one)
breaks("call-during-a-call", start=one_call)
breaks("calls-at-once", start=pool(7, nested=True))
breaks("reentrance", start=pool(1))
breaks("reentrance-at-the-limit", start=pool(9))


def drop_beyond(self, number, work, params):
    """More calls than eight are refused with an error that says something else."""
    self.going = getattr(self, "going", 0) + 1
    if self.going > 8:
        raise ProtocolError(RAISED, "Too many calls.", {"type": "Busy", "message": "too many calls"})
    Worker.start(self, number, work, params)


breaks("busy", start=drop_beyond)


def answer_cancel(self, message):
    if message["method"] == "cancel":
        self.answer_error(None, ProtocolError(-32601, "cancel is unknown here."))
    Worker.take_notification(self, message)


breaks("cancel", take_notification=answer_cancel)

# Asking the host
breaks_plugin("storage", fetch=lambda _self, payload, _call: None)
breaks("host-calls-name-their-call", under=lambda *_: {})


def last_outer(self, call):
    self.first_call = getattr(self, "first_call", call)
    return {"call": self.first_call}


breaks("nested-calls-name-their-call", under=last_outer)


def swallow(self, payload, call):
    try:
        self.worker.ask("storage.set", payload, call)
    except RuntimeError:
        return


breaks_plugin("host-refusal", store=swallow)


def nothing_without_time(self, method, params, call):
    """Takes error 9 for an empty answer."""
    try:
        return Worker.ask(self, method, params, call)
    except RuntimeError:
        return None


breaks("host-call-out-of-time", ask=nothing_without_time)


def die_of_strays(self, message):
    if message["id"] not in self.asked:
        os._exit(3)
    Worker.take_answer(self, message)


breaks("stray-answers-are-ignored", take_answer=die_of_strays)

# Keeping
breaks("configure", on_configure=lambda *_: {})


def configure_first(self, params):
    self.plugin.config = params["config"]
    return Worker.on_configure(self, params)


breaks("configure-can-be-refused", on_configure=configure_first)
breaks("health", checks=({"name": "self", "status": "good"},))
breaks("info", on_info=lambda *_: "a plugin")
breaks("test-connection", on_test_connection=lambda *_: True)

# Ending
breaks("cleanup-and-exit", exit=lambda _: os._exit(2))


def wait_for_calls(self, number, work, params):
    thread = threading.Thread(target=self.call, args=(number, work, params))
    self.running = [*getattr(self, "running", []), thread]
    thread.start()


def leave_when_done(self):
    for thread in getattr(self, "running", []):
        thread.join()
    os._exit(0)


breaks("exit-during-a-call", start=wait_for_calls, exit=leave_when_done)
breaks("end-of-channel", ended=never)
breaks("end-of-channel-during-a-call", start=wait_for_calls, ended=leave_when_done)
breaks("end-of-channel-before-handshake", ended=lambda self: None if self.greeted else never())
