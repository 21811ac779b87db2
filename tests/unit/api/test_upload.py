"""Forms with a file: read in pieces of any size, bounded, and written where they belong."""

import pytest
from starlette.requests import Request

from isp_plugins.api.errors import (
    BodyInvalidError,
    BodyTooLargeError,
    FormMalformedError,
    MediaTypeUnsupportedError,
    UploadTooLargeError,
)
from isp_plugins.api.upload import FIELDS_BYTES, is_form, read_form


def part(name, content, filename=None):
    file = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def request(body, content_type="multipart/form-data; boundary=b", size=7):
    chunks = [body[start : start + size] for start in range(0, len(body), size)] or [b""]

    async def receive():
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def read(tmp_path, *parts, limit=1000, end=b"--b--\r\n", size=7):
    return await read_form(
        request(b"".join(parts) + end, size=size), tmp_path, file_field="file", limit=limit
    )


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_fields_and_file_are_read_whatever_the_pieces(tmp_path, size):
    content = b"\x00\r\n--not the boundary\r\n" * 20
    form = await read(
        tmp_path,
        part("name", "größe".encode()),
        part("file", content, "a-1.0-py3-none-any.whl"),
        part("auto_enable", b"true"),
        size=size,
    )
    assert form.fields == {"name": "größe", "auto_enable": "true"}
    assert form.file_name == "a-1.0-py3-none-any.whl"
    assert form.file is not None
    assert form.file.read_bytes() == content
    assert form.file.parent == tmp_path


async def test_file_beyond_its_limit_is_refused_while_it_comes(tmp_path):
    with pytest.raises(UploadTooLargeError, match="larger than 10 bytes"):
        await read(tmp_path, part("file", b"x" * 11, "a.whl"), limit=10)
    assert (tmp_path / "package").stat().st_size <= 10


async def test_fields_have_a_limit_of_their_own(tmp_path):
    half = b"x" * (FIELDS_BYTES // 2 + 1)
    with pytest.raises(BodyTooLargeError):
        await read(tmp_path, part("a", half), part("b", half), limit=10**9, size=100_000)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("/etc/passwd", "passwd"), ("..\\..\\x.whl", "x.whl"), ("C:\\y.zip", "y.zip")],
)
async def test_folders_in_a_file_name_mean_nothing(tmp_path, name, kept):
    form = await read(tmp_path, part("file", b"x", name.replace("\\", "\\\\")))
    assert form.file_name == kept
    assert form.file == tmp_path / "package"


@pytest.mark.parametrize(
    "parts",
    [
        [part("file", b"x", "..")],
        [part("file", b"x", "")],
        [part("file", b"x")],
        [part("name", b"x", "a.whl")],
        [part("name", b"x"), part("name", b"y")],
        [part("file", b"x", "a.whl"), part("file", b"y", "b.whl")],
        [part("name", b"\xff")],
    ],
)
async def test_form_that_does_not_fit_is_refused(tmp_path, parts):
    with pytest.raises(BodyInvalidError):
        await read(tmp_path, *parts)


async def test_form_that_ends_early_is_refused(tmp_path):
    with pytest.raises(FormMalformedError, match="ends before its last boundary"):
        await read(tmp_path, part("file", b"x", "a.whl"), end=b"")
    with pytest.raises(FormMalformedError):
        await read_form(request(b"no form at all"), tmp_path, file_field="file", limit=10)


async def test_headers_of_a_part_are_bounded(tmp_path):
    long = b'--b\r\nContent-Disposition: form-data; name="a"\r\nX: ' + b"x" * 20_000 + b"\r\n\r\ny\r\n"
    with pytest.raises(FormMalformedError):
        await read(tmp_path, long, size=1000)


async def test_form_without_boundary_is_refused(tmp_path):
    with pytest.raises(MediaTypeUnsupportedError, match="with a boundary"):
        await read_form(request(b"", "multipart/form-data"), tmp_path, file_field="file", limit=10)


def test_form_is_told_from_json():
    assert is_form("Multipart/Form-Data; boundary=x")
    assert not is_form("application/json")
    assert not is_form(None)
