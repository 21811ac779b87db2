"""A form with a file (`multipart/form-data`): read as it comes, the file written to the disk, nothing held that has no bound.

1. The fields have `FIELDS_BYTES` together; the file has the caller's limit, and its name at most 200 characters.
2. There is one file, under the name that the caller gives; a field comes once.
3. What is written lies in the caller's folder, which is the caller's to delete whatever happens.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from isp_plugins.api.errors import (
    BodyInvalidError,
    BodyTooLargeError,
    FormMalformedError,
    MediaTypeUnsupportedError,
    UploadTooLargeError,
)

if TYPE_CHECKING:  # it is there for type checkers only
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
FIELDS_BYTES = 1_048_576
HEADER_BYTES = 16_384
LONGEST_NAME = 200


@dataclass
class Form:
    """What came: text by field, and the file."""

    fields: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    file_name: str = ""


async def read_form(request: Request, folder: Path, *, file_field: str, limit: int) -> Form:
    """Read the whole form; `FormMalformedError`, `UploadTooLargeError`, `BodyTooLargeError`, `BodyInvalidError`."""
    reader = _Reader(folder, file_field, limit)
    parser = MultipartParser(_boundary_of(request), reader.callbacks())
    try:
        async for chunk in request.stream():
            if chunk:
                await asyncio.to_thread(parser.write, chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise FormMalformedError(problem=str(error)) from None
    finally:
        reader.close()
    if not reader.is_whole:
        raise FormMalformedError(problem="it ends before its last boundary")
    return reader.form


def is_form(content_type: str | None) -> bool:
    """Whether a body says that it is a form with files."""
    return (content_type or "").partition(";")[0].strip().lower() == FORM


def _boundary_of(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "")
    _, options = parse_options_header(content_type.encode("latin-1"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise MediaTypeUnsupportedError(got=content_type, expected=f"{FORM} with a boundary")
    return bytes(boundary)


class _Reader:
    """Takes the parts as the parser finds them."""

    def __init__(self, folder: Path, file_field: str, limit: int) -> None:
        self.form = Form()
        self.is_whole = False
        self._folder = folder
        self._file_field = file_field
        self._left = {True: limit, False: FIELDS_BYTES}
        self._limit = limit
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._header_bytes = 0
        self._name = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._of_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._of_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._take(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def close(self) -> None:
        """Close the file, whole or not."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._headers, self._header, self._header_bytes = {}, (bytearray(), bytearray()), 0
        self._text = bytearray()

    def _of_header(self, part: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > HEADER_BYTES:
            raise FormMalformedError(problem=f"the headers of a part are longer than {HEADER_BYTES} bytes")
        self._header[part].extend(data)

    def _end_header(self) -> None:
        self._headers[bytes(self._header[0]).lower()] = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")[:LONGEST_NAME]
        if (self._name == self._file_field) is not (b"filename" in options):
            wanted = "a file" if self._name == self._file_field else "text, not a file"
            raise _mistake(self._name, f"expected {wanted}")
        if self._name in self.form.fields or (self._name == self._file_field and self.form.file):
            raise _mistake(self._name, "expected once, got it again")
        if self._name == self._file_field:
            self.form.file_name = _plain(options[b"filename"].decode("utf-8", "replace"))
            self.form.file = self._folder / "package"
            self._file = self.form.file.open("xb")

    def _take(self, data: bytes) -> None:
        is_file = self._file is not None
        self._left[is_file] -= len(data)
        if self._left[is_file] < 0:
            raise UploadTooLargeError(limit=self._limit) if is_file else BodyTooLargeError(limit=FIELDS_BYTES)
        if self._file is not None:
            self._file.write(data)
        else:
            self._text.extend(data)

    def _end(self) -> None:
        if self._file is not None:
            self.close()
            return
        try:
            self.form.fields[self._name] = self._text.decode("utf-8")
        except UnicodeDecodeError:
            raise _mistake(self._name, "expected text in UTF-8") from None

    def _finish(self) -> None:
        self.is_whole = True


def _plain(name: str) -> str:
    """The last part of a file's name, whatever folders it names; `BodyInvalidError` where nothing of use is left."""
    plain = PurePosixPath(name.replace("\\", "/")).name
    if not plain or plain in {".", ".."} or len(plain) > LONGEST_NAME or not plain.isprintable():
        raise _mistake("file", f"expected a file name of 1 to {LONGEST_NAME} printable characters")
    return plain


def _mistake(path: str, message: str) -> BodyInvalidError:
    return BodyInvalidError(summary=f"{path}: {message}", mistakes=[{"path": path, "message": message}])
