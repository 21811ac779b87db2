"""Fetches one commit of a git repository as a tar, with nothing of the repository's own running.

1. Only https, ssh and file; nothing that git would turn into a command. No hooks, no submodules, no filters, no configuration but what stands here.
2. As little as possible is fetched: the one commit, unless the server only gives whole branches.
3. Credentials in the URL reach git through its environment, and neither a command line, an error nor what is stored.
4. Size is held by the kernel's limit on each file (a pack is one), time by ours.
"""

import re
import shutil
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from isp_plugins.packages.errors import PackageToolMissingError, SourceUnreachableError, SourceUnusableError
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.masking import masked, without_credentials
from isp_plugins.packages.processes import Finished, run
from isp_plugins.packages.refusals import refuse_full_disk
from isp_plugins.packages.sources import origin_of, too_large
from isp_plugins.packages.tool_environment import base_environment
from isp_plugins.packages.values import Download, Source

SCHEMES = ("https", "ssh", "file")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OPTIONS = (
    "-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always",
    "-c", "protocol.file.allow=always", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
    "-c", "fetch.unpackLimit=1", "-c", "fetch.fsckObjects=true", "-c", "fetch.recurseSubmodules=false",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "credential.helper=", "-c", "http.followRedirects=initial",
)  # fmt: skip


async def fetch_git(source: Source, staging: Path, limits: PackageLimits) -> Download:
    """The commit that the reference names now, as `<staging>/download/source.tar`."""
    url, shown = _checked(source)
    git = _Git(_program(), url, shown, staging, limits)
    await git.init()
    commit = await git.fetch(source.ref)
    tar = await git.archive(commit)
    found = origin_of(source, location=shown, commit=commit, bytes=tar.stat().st_size)
    return Download(tar, found)


def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise PackageToolMissingError(tool="git", package="git")
    return found


def _checked(source: Source) -> tuple[str, str]:
    """The URL, and the same as it may be shown."""
    parts = urlsplit(source.location)
    shown = without_credentials(source.location)
    if parts.scheme not in SCHEMES or not parts.path.strip("/"):
        problem = f"expected a URL that begins with {', '.join(f'{scheme}://' for scheme in SCHEMES)} and names a repository"
        raise SourceUnusableError(location=masked(shown) or repr(""), problem=problem)
    if (
        re.search(r"[\x00-\x20\x7f]", source.location)
        or parts.netloc.startswith("-")
        or (parts.hostname or "").startswith("-")
    ):
        raise SourceUnusableError(
            location=masked(shown), problem="the URL holds what no host or path is called"
        )
    if source.ref is not None and (not _REF.fullmatch(source.ref) or ".." in source.ref):
        raise SourceUnusableError(
            location=shown, problem=f"expected a branch, a tag or a commit, got {source.ref!r}"
        )
    return source.location, shown


class _Git:
    def __init__(self, program: str, url: str, shown: str, staging: Path, limits: PackageLimits) -> None:
        self._program = program
        self._shown = shown
        self._folder = staging / "repository"
        self._staging = staging
        self._limits = limits
        self._url, self._environment = _with_credentials_apart(url, staging)

    async def init(self) -> None:
        self._folder.mkdir()
        self._expect(await self._run("init", "--quiet", "--bare", "--template=", "."))

    async def fetch(self, ref: str | None) -> str:
        """The commit that the reference resolved to."""
        wanted = ref or "HEAD"
        alone = await self._run(*_fetching("--depth=1"), self._url, wanted)
        if not alone.worked and _COMMIT.fullmatch(wanted) and not self._ended_by_limit(alone):
            # Servers may refuse to give a commit by its name: then every branch and tag is asked for.
            refspecs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            self._expect(await self._run(*_fetching(), self._url, *refspecs))
            return await self._commit_of(wanted)
        self._expect(alone)
        return await self._commit_of("FETCH_HEAD")

    async def archive(self, commit: str) -> Path:
        """The commit's files."""
        target = self._staging / "download" / "source.tar"
        target.parent.mkdir()
        self._expect(await self._run("archive", "--format=tar", commit, stdout=target))
        return target

    async def _commit_of(self, name: str) -> str:
        found = await self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        commit = found.output.strip()
        if not found.worked or not _COMMIT.fullmatch(commit):
            raise SourceUnusableError(
                location=self._shown, problem=f"there is no commit {name!r} in the repository"
            )
        return commit

    async def _run(self, *arguments: str, stdout: Path | None = None) -> Finished:
        return await run(
            [self._program, *_OPTIONS, *arguments],
            environment=self._environment,
            folder=self._folder,
            timeout_s=self._limits.fetch_s,
            file_bytes=self._limits.fetched_bytes,
            stdout=stdout,
        )

    def _ended_by_limit(self, finished: Finished) -> bool:
        """Whether a file grew to the limit: the kernel ends whoever writes on, and git says little about that."""
        if finished.timed_out:
            return True
        limit = self._limits.fetched_bytes
        written = (path.stat().st_size for path in self._staging.rglob("*") if path.is_file())
        return any(size >= limit for size in written)

    def _expect(self, finished: Finished) -> None:
        if finished.worked:
            return
        if finished.timed_out:
            problem = f"it took longer than {self._limits.fetch_s:g} s (ISP_PLUGINS_PACKAGE_FETCH_TIMEOUT)"
            raise SourceUnreachableError(location=self._shown, problem=problem)
        if self._ended_by_limit(finished):
            raise too_large("in the repository", self._limits)
        refuse_full_disk(finished.output, self._staging)
        said = [line for line in finished.output.strip().splitlines() if line.strip()]
        problem = masked(said[-1] if said else f"git ended with {finished.code}")
        told = next((masked(line) for line in said if line.startswith(("fatal:", "error:"))), problem)
        raise SourceUnreachableError(location=self._shown, problem=told.removeprefix("fatal: "))


def _fetching(*options: str) -> tuple[str, ...]:
    return (
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        *options,
        "--end-of-options",
    )


def _with_credentials_apart(url: str, home: Path) -> tuple[str, dict[str, str]]:
    """The URL without user and password, and an environment in which git puts them back (`url.<full>.insteadOf`)."""
    environment = {
        **base_environment(home),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.username:
        return url, environment
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    user, password = (quote(unquote(part or ""), safe="") for part in (parts.username, parts.password))
    full = urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))
    environment |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{full}.insteadOf",
        "GIT_CONFIG_VALUE_0": bare,
    }
    return bare, environment
