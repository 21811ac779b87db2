"""A zip of rendered files: everything under one folder, the same bytes each time."""

import io
import zipfile

from isp_plugins.templates.archive import zipped

FILES = {"b/c.txt": "é\n", "run.sh": "#!/bin/sh\n"}


def test_files_lie_under_the_folder():
    archive = zipfile.ZipFile(io.BytesIO(zipped(FILES, folder="acme")))
    assert archive.namelist() == ["acme/b/c.txt", "acme/run.sh"]
    assert archive.read("acme/b/c.txt").decode() == "é\n"


def test_script_is_executable_and_nothing_else():
    entries = zipfile.ZipFile(io.BytesIO(zipped(FILES, folder="acme"))).infolist()
    assert [entry.external_attr >> 16 for entry in entries] == [0o100644, 0o100755]


def test_same_files_make_the_same_bytes():
    assert zipped(FILES, folder="a") == zipped(dict(reversed(FILES.items())), folder="a")
