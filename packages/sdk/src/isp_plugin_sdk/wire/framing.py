"""Cuts a stream of bytes into lines, and refuses a line that is too long before it is whole."""


class MessageTooLongError(ValueError):
    """A line is longer than a message may be."""

    def __init__(self, limit: int, line: bytes) -> None:
        super().__init__(f"a message is longer than {limit} bytes")
        self.limit = limit
        self.line = line
        """What came of it."""


class Lines:
    """Keeps what came after the last newline."""

    __slots__ = ("_parts", "held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Longest line, its newline not counted, in bytes."""
        self._parts: list[bytes] = []
        self.held = 0
        """Bytes of the line that is not whole yet."""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their newlines; `MessageTooLongError`."""
        end = data.find(b"\n")
        if end < 0:
            self._keep(data)
            return []
        if end == len(data) - 1 <= self.limit and not self._parts:  # one whole line, as mostly
            return [data[:-1]]
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self.held = 0
        lines = data.split(b"\n")
        self._keep(lines.pop())
        if len(data) > self.limit:
            for line in lines:
                if len(line) > self.limit:
                    raise MessageTooLongError(self.limit, line)
        return lines

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._parts.append(rest)
            self.held += len(rest)
            if self.held > self.limit:
                raise MessageTooLongError(self.limit, b"".join(self._parts))
