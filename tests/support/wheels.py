"""Makes small wheels, plugin packages and archives for tests, by means of its own: what is tested must not make its own input."""

import base64
import hashlib
import io
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MANIFEST = """\
name = "{name}"
version = "{version}"
plugin_type = "CUSTOM"
entry_point = "{package}.plugin:Plugin"
"""
CODE = """\
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True
"""
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "{name}"
version = "{version}"
"""
BACKEND = """\
import base64, hashlib, pathlib, zipfile

NAME, VERSION, FILES, ENTRY = {name!r}, {version!r}, {files!r}, {entry!r}

{extra}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    before_build()
    name = NAME + "-" + VERSION
    info = name + ".dist-info"
    files = {{file: pathlib.Path(file).read_bytes() for file in FILES}}
    files[info + "/METADATA"] = ("Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION)).encode()
    files[info + "/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[info + "/entry_points.txt"] = ENTRY.encode()
    record = ""
    for file, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\\n" % (file, digest, len(data))
    files[info + "/RECORD"] = (record + info + "/RECORD,,\\n").encode()
    with zipfile.ZipFile(pathlib.Path(folder, name + "-py3-none-any.whl"), "w") as archive:
        for file, data in files.items():
            archive.writestr(file, data)
    return name + "-py3-none-any.whl"
"""


def record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def make_wheel(
    folder, name, version, *, files=None, requires=(), entry_points="", edit=None, python=">=3.11"
):
    """A wheel; `edit` may change the dict of all files after RECORD was written into it."""
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    content = {
        file: _bytes(data) for file, data in (files or {f"{package}.py": f"VERSION = {version!r}\n"}).items()
    }
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Requires-Python: {python}"]
    lines += [f"Requires-Dist: {need}" for need in requires]
    content[f"{info}/METADATA"] = ("\n".join(lines) + "\n").encode()
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    record = "".join(record_line(file, data) for file, data in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    if edit:
        edit(content, info)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in content.items():
            archive.writestr(file, data)
    return target


def make_plugin_wheel(
    folder, name="greeter", version="1.0.0", *, requires=(), manifest=None, code=CODE, more=None
):
    """The wheel of a plugin, with its manifest."""
    package = name.replace("-", "_")
    files = {
        f"{package}/__init__.py": "",
        f"{package}/plugin.py": code,
        f"{package}/plugin.toml": manifest
        if manifest is not None
        else MANIFEST.format(name=name, version=version, package=package),
    }
    entry = f"[isp_plugins]\n{name} = {package}.plugin:Plugin\n"
    return make_wheel(
        folder, f"isp-{name}", version, files=files | (more or {}), requires=requires, entry_points=entry
    )


def make_source(
    folder, name="greeter", version="1.0.0", *, extra="def before_build():\n    pass", requires="[]"
):
    """A plugin's own source with a build backend of its own, so that nothing must be fetched to build it."""
    package = name.replace("-", "_")
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "plugin.py").write_text(CODE)
    (folder / package / "plugin.toml").write_text(
        MANIFEST.format(name=name, version=version, package=package)
    )
    files = [f"{package}/__init__.py", f"{package}/plugin.py", f"{package}/plugin.toml"]
    entry = f"[isp_plugins]\n{name} = {package}.plugin:Plugin\n"
    (folder / "backend.py").write_text(
        BACKEND.format(name=f"isp_{package}", version=version, files=files, entry=entry, extra=extra)
    )
    pyproject = PYPROJECT.format(name=f"isp-{name}", version=version).replace(
        "requires = []", f"requires = {requires}"
    )
    (folder / "pyproject.toml").write_text(pyproject)
    return folder


def make_tar(path, members, *, mode="w:gz"):
    """A tar of `TarInfo`s with their content (or None), or of `(name, content)`."""
    with tarfile.open(path, mode) as archive:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            content = _bytes(data) if data is not None else b""
            if info.isreg() and not info.size:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if data is not None else None)
    return path


def tar_of(folder, path):
    """An sdist of a folder."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=path.name.removesuffix(".tar.gz"))
    return path


def zip_of(folder, path):
    """A zip of a folder's content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def repacked(name, folder):
    """The wheel of a distribution that is installed here, so that tests need no index."""
    distribution = metadata.distribution(name)
    wheel = distribution.read_text("WHEEL")
    tags = [line.partition(": ")[2] for line in wheel.splitlines() if line.startswith("Tag: ")]
    tag = (
        tags[0]
        if len(tags) == 1
        else ".".join(sorted({t.split("-")[0] for t in tags})) + "-" + "-".join(tags[0].split("-")[1:])
    )
    info = next(file.parts[0] for file in distribution.files if file.parts[0].endswith(".dist-info"))
    stem = info.removesuffix(".dist-info")
    target = folder / f"{stem}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    unwanted = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
    record = ""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(distribution.files):
            if (
                file.suffix == ".pyc"
                or ".." in file.parts
                or (file.parts[0] == info and file.name in unwanted)
            ):
                continue
            data = Path(file.locate()).read_bytes()
            archive.writestr(zipfile.ZipInfo(str(file)), data)
            record += record_line(str(file), data)
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
    return target


def repacked_with_needs(names, folder):
    """The wheels of distributions that are installed here, and of everything that they need."""
    waiting, done = list(names), set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in done:
            continue
        done.add(name)
        repacked(name, folder)
        needs = map(Requirement, metadata.requires(name) or ())
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return folder


def _bytes(data):
    return data if isinstance(data, bytes) else data.encode()


def files_below(folder):
    """Every file below a folder, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def freeze_of_host():
    """What is installed in the environment that runs the tests: names, versions, and when each was last changed."""
    return sorted(
        (found.metadata["Name"], found.version, Path(found._path).stat().st_mtime_ns)
        for found in metadata.distributions()
    )
