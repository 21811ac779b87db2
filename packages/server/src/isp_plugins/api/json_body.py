"""Request bodies: read within the limit, checked before they cost anything, parsed once.

1. No more than `max_body_bytes` is ever held, whatever `Content-Length` says or leaves out.
2. Nesting is measured on the text, before parsing; a body with few brackets needs no measuring.
3. JSON as in RFC 8259, in UTF-8: no byte order mark, NaN, Infinity, lone surrogate. Of a repeated key the last value counts.
4. NUL characters and integers beyond 64 bits are refused: the databases cannot keep the one, the other would lose digits.
"""

import re
from array import array
from itertools import accumulate
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from isp_plugins.api.errors import (
    BodyTooLargeError,
    IntegerTooLargeError,
    JsonMalformedError,
    MediaTypeUnsupportedError,
    NestingTooDeepError,
    NulCharacterError,
)
from isp_plugins.contracts.json_values import HIGHEST, LOWEST

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
"""An opening bracket is a step down (1), a closing one a step up (-1 as a signed byte)."""
_LONG_NUMBER = re.compile(rb"\d{19}")
_INTEGER = re.compile(rb"(?<![\d.eE+-])-?\d{19,}(?![\d.eE])")
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; `BodyTooLargeError` as soon as it is known to be longer than `limit` bytes."""
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise BodyTooLargeError(limit=limit)
    body, more = await _next_part(request)
    while more:
        part, more = await _next_part(request)
        body += part
        if len(body) > limit:
            break
    if len(body) > limit:
        raise BodyTooLargeError(limit=limit)
    return body


async def _next_part(request: Request) -> tuple[bytes, bool]:
    """The next part of a body, and whether more comes."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def parse(body: bytes, *, max_depth: int) -> Any:
    """The JSON value that a body is, by the rules above."""
    check_depth(body, max_depth)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise JsonMalformedError(problem=str(error)) from None
    if b"\\u0000" in body and (where := _find_nul(value)) is not None:
        raise NulCharacterError(where=where)
    if _LONG_NUMBER.search(body) is not None:
        _check_integers(body)
    return value


def check_depth(body: bytes, limit: int) -> None:
    """Refuse a body that nests deeper than `limit`; what is not balanced is left to the parser."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return
    steps = array("b", _STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS))
    if max(accumulate(steps), default=0) > limit:
        raise NestingTooDeepError(limit=limit)


def check_media_type(content_type: str | None, *, suffix: bool = True) -> None:
    """Refuse what does not say that it is JSON (`application/json`, or `+json` where `suffix`), in UTF-8."""
    essence, _, parameters = (content_type or "").partition(";")
    essence = essence.strip().lower()
    fits = essence == "application/json" or (
        suffix and essence.startswith("application/") and essence.endswith("+json")
    )
    charset = parameters.strip().lower()
    if not fits or (
        charset.startswith("charset=")
        and charset.removeprefix("charset=").strip('"') not in {"utf-8", "utf8", "us-ascii"}
    ):
        raise MediaTypeUnsupportedError(got=content_type or "none", expected="application/json in UTF-8")


def _find_nul(value: Any, path: str = "body") -> str | None:
    """Where a NUL character is, or None."""
    match value:
        case str():
            return path if "\0" in value else None
        case dict():
            children = ((f"{path}.{key}", child) for key, child in value.items())
            if any("\0" in key for key in value):
                return f"a key of {path}"
        case list():
            children = ((f"{path}[{index}]", child) for index, child in enumerate(value))
        case _:
            return None
    return next((found for where, child in children if (found := _find_nul(child, where)) is not None), None)


def _check_integers(body: bytes) -> None:
    """Refuse an integer that 64 bits cannot hold (orjson would make a rounded float of it)."""
    for found in _INTEGER.finditer(_STRING.sub(b"", body)):
        if len(found[0]) > 20 or not LOWEST <= int(found[0]) <= HIGHEST:
            raise IntegerTooLargeError(start=found[0][:12].decode())
