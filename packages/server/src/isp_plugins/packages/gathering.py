"""Fetches the wheels of a lock that came from an index, so that other nodes can build its environment without one.

1. uv says where each locked distribution lies (`pylock.toml`); of its wheels the one that fits this machine best is taken.
2. A wheel is used only with a SHA-256 of the lock, and lies in the wheelhouse under it, whole.
3. What cannot be had is no failure: whoever lacks it asks the index, as before.
"""

import base64
import hashlib
import shutil
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.locking import this_python
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.values import Lock

TIMEOUT_S = 60.0
"""For each answer of the index, not for a whole wheel."""
CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Offer:
    """One wheel of an index."""

    name: str
    url: str
    digest: str


async def gather(uv: Uv, wheelhouse: Path, lock: Lock, folder: Path, there: frozenset[str]) -> int:
    """Bring what is neither in the wheelhouse nor `there` (digests); how many distributions are still missing."""
    here = await in_thread(lambda: {place.name for place in wheelhouse.glob("*")})
    lines = missing(lock, there | here)
    if not lines or lock.python != this_python():
        return len(lines)
    asked, answer = folder / "missing.txt", folder / "pylock.toml"
    asked.write_text("".join(f"{line}\n" for line in lines))
    finished = await uv.run(
        "pip", "compile", str(asked), f"--output-file={answer}", "--format=pylock.toml", "--no-deps",
        "--only-binary=:all:", "--no-header", "--no-sources", folder=folder,
    )  # fmt: skip
    if not finished.worked:
        return len(lines)
    offers = chosen(tomllib.loads(answer.read_text()), lock, list(sys_tags()))
    fetched = [await in_thread(_fetch, offer, uv.index_url, folder, wheelhouse) for offer in offers]
    return len(lines) - sum(fetched)


def missing(lock: Lock, there: frozenset[str]) -> list[str]:
    """The lines of a lock of which no wheel is there."""
    lines = (
        (line, {word.removeprefix("--hash=sha256:") for word in line.split()})
        for line in lock.text.splitlines()
    )
    return [line for line, words in lines if not words & (there | {lock.sdk_digest})]


def chosen(pylock: Mapping[str, Any], lock: Lock, tags: list[Tag]) -> list[Offer]:
    """Of each distribution the wheel that fits best and that the lock allows."""
    rank = {tag: number for number, tag in reversed(list(enumerate(tags)))}
    found = []
    for package in pylock.get("packages", ()):
        fitting = [
            (place, offer)
            for offer in _offers(package)
            if offer.digest in lock.hashes and (place := _rank(offer, rank)) is not None
        ]
        if fitting:
            found.append(min(fitting, key=lambda pair: pair[0])[1])
    return found


def _offers(package: Mapping[str, Any]) -> Iterable[Offer]:
    for wheel in package.get("wheels", ()):
        url, digest = wheel.get("url"), wheel.get("hashes", {}).get("sha256")
        if url and digest and urlsplit(url).scheme in {"http", "https"}:
            yield Offer(unquote(urlsplit(url).path.rpartition("/")[2]), url, digest)


def _rank(offer: Offer, rank: Mapping[Tag, int]) -> int | None:
    try:
        tags = parse_wheel_filename(offer.name)[3]
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return min((rank[tag] for tag in tags if tag in rank), default=None)


def _fetch(offer: Offer, index_url: str | None, folder: Path, wheelhouse: Path) -> bool:
    """Whether the wheel is in the wheelhouse now."""
    part = folder / f"gathered-{offer.digest}"
    part.mkdir(mode=0o700)
    try:
        found = _download(request_of(offer.url, index_url), part / offer.name)
    except (urllib.error.URLError, OSError, ValueError):
        found = None
    if found != offer.digest:
        shutil.rmtree(part, ignore_errors=True)
        return False
    wheelhouse.mkdir(mode=0o700, parents=True, exist_ok=True)
    rename_into_place(part, wheelhouse / offer.digest)
    return True


def _download(request: urllib.request.Request, target: Path) -> str:
    """The file's SHA-256."""
    seen = hashlib.sha256()
    answering = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310  `_offers` lets only http and https through
    with answering as answer, target.open("wb") as file:
        while data := answer.read(CHUNK):
            seen.update(data)
            file.write(data)
    return seen.hexdigest()


def request_of(url: str, index_url: str | None) -> urllib.request.Request:
    """What is asked, with the index's password where the wheel lies on the same host; a redirect never takes it elsewhere."""
    parts, index = urlsplit(url), urlsplit(index_url or "")
    user = parts if parts.username else index
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    request = urllib.request.Request(urlunsplit(plain))  # noqa: S310  see `_fetch`
    if user.username and (
        parts.username or (parts.scheme, plain.netloc) == (index.scheme, index.netloc.rpartition("@")[2])
    ):
        pair = f"{unquote(user.username)}:{unquote(user.password or '')}"
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    return request
