"""A worker that keeps the protocol until it is asked not to: the standard library alone, over stdin and stdout, run as a `command`.

`execute` of a method below does what its name says; `echo` answers as it should. What floods does so in a thread of its own and goes on for
ever, except where it is given a number.
"""

import collections
import itertools
import json
import os
import sys
import threading

LOCK = threading.Lock()
OUT = sys.stdout.buffer
FLOODING = threading.Event()
BETWEEN = collections.deque()
"""What is to be said in the middle of a flood: whoever floods never lets go of the lock for long."""
CHUNK = 500
"""Messages of a flood that are written together."""


def write(data):
    with LOCK:
        OUT.write(data)
        OUT.flush()


def line(**message):
    return json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n"


def send(**message):
    if FLOODING.is_set():
        BETWEEN.append(line(**message))
    else:
        write(line(**message))


class Worker:
    """What it is asked by `execute`, by name."""

    def __init__(self):
        self.late, self.swapped, self.steps = [], [], []
        self.deaf = threading.Event()

    def echo(self, number, given):
        send(id=number, result=given)

    def late_answer(self, number, given):
        self.late.append(number)

    def two_answers(self, number, given):
        write(line(id=number, result="first") + line(id=number, result="second"))

    def out_of_order(self, number, given):
        self.swapped.append(number)
        if len(self.swapped) == given:
            write(b"".join(line(id=one, result=one) for one in reversed(self.swapped)))

    def foreign_ids(self, number, given):
        foreign = [line(id=number + 1000, result="not asked"), line(id=2**53, result="not asked")]
        nobody = line(id=None, error={"code": -32700, "message": "what?"})
        write(b"".join([*foreign, nobody, line(id=number, result="mine")]))

    def write_raw(self, number, given):
        write(bytes.fromhex(given))

    def long_line(self, number, given):
        write(b"x" * given)

    def long_answer(self, number, given):
        send(id=number, result="x" * given)

    def odd_error(self, number, given):
        send(id=number, error={"code": 10**9, "message": "x" * 1000, "data": {"reason": [1], "traceback": 7}})

    def odd_notifications(self, number, given):
        deep = "[" * 900 + "]" * 900
        for name in ("message", "level", "logger", "traceback", "function", "call", "name"):
            for method in ("log", "step", "nothing of the protocol"):
                write(f'{{"method": "{method}", "params": {{"{name}": {deep}}}}}\n'.encode())
        for params in ({"key": 5}, {"key": "a", "value": None, "call": "x"}, {}):
            send(id=1, method="storage.set", params=params)
        write(f'{{"id": 1, "method": "storage.set", "params": {{"key": "k", "value": {deep}}}}}\n'.encode())
        send(id=number, result="still here")

    def hang_up(self, number, given):
        os.closerange(0, 3)
        threading.Event().wait()

    def flood(self, number, given):
        """`given` names what: a line that is repeated for ever, `%d` in it is a number that grows."""
        send(id=number, result=None)
        FLOODING.set()
        threading.Thread(target=self.repeat, args=(given,), daemon=True).start()

    def flood_unread(self, number, given):
        """The same, and never read again."""
        self.deaf.set()
        self.repeat(given)

    def repeat(self, text):
        numbers = itertools.count(1)
        many = max(1, min(CHUNK, 2**20 // len(text)))
        while True:
            texts = (text.replace("%d", str(next(numbers))) for _ in range(many))
            write("".join(f"{one}\n" for one in texts).encode())
            while BETWEEN:
                write(BETWEEN.popleft())

    def flood_huge(self, number, given):
        """`given` bytes in each message of the log, for ever."""
        self.flood(
            number, json.dumps({"method": "log", "params": {"level": "WARNING", "message": "x" * given}})
        )

    def print_without_newline(self, number, given):
        send(id=number, result=None)
        self.print("x" * 65_536, given)

    def print_blank_lines(self, number, given):
        send(id=number, result=None)
        self.print("\n" * 65_536, given)

    def print(self, text, count):
        def work():
            for _ in range(count):
                os.write(2, text.encode())

        threading.Thread(target=work, daemon=True).start()

    def keep_saying(self, steps):
        """Say for ever that a step begins, so that no deadline of it could pass."""
        for name in itertools.cycle(steps):
            send(method="step", params={"name": name})
            threading.Event().wait(0.02)


def initialize(worker, number, params):
    wanted = params["config"].get("steps")
    if wanted:
        threading.Thread(target=worker.keep_saying, args=(wanted,), daemon=True).start()
        return
    send(id=number, result={"methods": [{"name": "echo"}], "hooks": [], "capabilities": []})


def take(worker, message):
    number, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if method == "exit":
        os._exit(0)
    if method == "cancel":
        for late in worker.late:
            send(id=late, result="too late")
    elif method == "handshake":
        about = {"name": "hostile", "version": "1", "language": "Python"}
        send(id=number, result={"protocol": 1, "implementation": about})
    elif method == "initialize":
        initialize(worker, number, params)
    elif method == "execute":
        getattr(worker, params["method"])(number, params["parameters"])
    elif method is not None:
        send(id=number, result={"problem": None})


def main():
    worker = Worker()
    for text in sys.stdin.buffer:
        take(worker, json.loads(text))
        if worker.deaf.is_set():
            threading.Event().wait()
    os._exit(0)


if __name__ == "__main__":
    main()
