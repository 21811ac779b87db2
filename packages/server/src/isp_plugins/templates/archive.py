"""Rendered files as a zip: the same bytes for the same files, scripts executable."""

import io
import zipfile
from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest moment that a zip can tell."""
_UNIX = 3


def is_script(text: str) -> bool:
    """Whether a file is to be executable."""
    return text.startswith("#!")


def zipped(files: Mapping[str, str], *, folder: str) -> bytes:
    """The files under one folder as the bytes of a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{path}", _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (0o100755 if is_script(text) else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text.encode())
    return buffer.getvalue()
