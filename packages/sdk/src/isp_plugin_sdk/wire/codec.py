"""JSON text and values: by orjson where it can be imported, else by the standard library.

1. What is not JSON is refused by both: lone surrogates, bytes, dates, UUIDs, objects of classes, NaN and the infinities.
2. A text that nests too deep to be read is refused like any other that is not JSON.
"""

import json
import marshal
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

from isp_plugin_sdk.wire.numbers import lacks_a_number

NOT_ENCODABLE = (TypeError, ValueError, RecursionError, OverflowError)
"""What encoding raises for a value that is not JSON."""


_NO_SORT_SKIP_NAN = (False, False, False)
"""The encoder's `sort_keys`, `skipkeys` and `allow_nan`."""
NO_NUMBER = "JSON has no NaN and no infinity"


class NotJsonTextError(ValueError):
    """Some bytes are not JSON in UTF-8."""


class Codec:
    """One way of reading and writing JSON."""

    __slots__ = ("decode", "encode", "name")

    def __init__(self, name: str, decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> None:
        self.name = name
        self.decode = decode
        """The value of a text; `NotJsonTextError`."""
        self.encode = encode
        """The text of a value, without a newline; one of `NOT_ENCODABLE`."""


def best_codec() -> Codec:
    """orjson's, or the standard library's."""
    return fast_codec() or standard_codec()


def fast_codec() -> Codec | None:
    """orjson's, where it can be imported."""
    try:
        orjson = import_module("orjson")
    except ImportError:
        return None
    loads, dumps = orjson.loads, orjson.dumps
    options = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

    def decode(text: bytes) -> Any:
        try:
            return loads(text)
        except ValueError as error:
            raise NotJsonTextError(str(error)) from None

    def encode(value: Any) -> bytes:
        text: bytes = dumps(value, None, options)
        if text.find(b"null") >= 0 and lacks_a_number(value):  # `in` raises and catches an error first
            raise ValueError(NO_NUMBER)
        try:
            marshal.dumps(value, 2)  # in C: whether all of it is of Python's own types, as nearly always
        except ValueError:
            _refuse_what_only_orjson_writes(value)
        return text

    return Codec("orjson", decode, encode)


def _refuse_what_only_orjson_writes(value: Any) -> None:
    """`TypeError` for what orjson makes text of and the standard library refuses: UUIDs, and enums that are neither text nor number."""
    if isinstance(value, dict):
        for part in value.values():
            _refuse_what_only_orjson_writes(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _refuse_what_only_orjson_writes(part)
    elif not (value is None or isinstance(value, (str, int, float))):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def standard_codec() -> Codec:
    """The standard library's; its scanner and its encoder in C are used directly, for what surrounds them costs as much as they do."""
    reader = json.JSONDecoder(parse_constant=_refuse)
    scan: Callable[[str, int], tuple[Any, int]] = reader.scan_once  # type: ignore[attr-defined]  # not in the stubs
    read, write = reader.decode, _standard_writer()

    def decode(text: bytes) -> Any:
        try:
            words = text.decode()
            try:
                value, end = scan(words, 0)
                if end == len(words):
                    return value
            except StopIteration:
                pass  # no value begins at its first character: `read` knows why
            return read(words)  # with blanks around it, or what is wrong with it
        except (ValueError, RecursionError) as error:
            raise NotJsonTextError(str(error)) from None

    def encode(value: Any) -> bytes:
        return write(value).encode()

    return Codec("json", decode, encode)


def _standard_writer() -> Callable[[Any], str]:
    """Writes a value as text. A value that contains itself nests too deep."""
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    quote = json.encoder.encode_basestring
    if make is None:  # an interpreter without it
        return encoder.encode
    parts = make(None, encoder.default, quote, None, ":", ",", *_NO_SORT_SKIP_NAN)
    join = "".join
    return lambda value: join(parts(value, 0))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
