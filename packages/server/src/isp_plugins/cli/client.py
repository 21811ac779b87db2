"""The command line's HTTP client: finds the server and the key, turns problem documents into messages.

Where the server is: `--url`, `ISP_PLUGINS_URL`, what a running host wrote into the data directory, else http://127.0.0.1:8080.
Which key: `--api-key`, `ISP_PLUGINS_API_KEY`, else the data directory's `admin.key` where it can be read, but that one only for the host
that wrote it or one on this machine's loopback address: an admin key never travels to an address that the operator did not pair it with.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx

from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail, sentences
from isp_plugins.cli.sse import lines_of
from isp_plugins.db.data_directory import DataDirectory

DEFAULT_URL = "http://127.0.0.1:8080"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_S = 120.0
"""Longer than any lifecycle operation's own limits."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to speak to, and as whom."""

    url: str
    api_key: str | None

    @classmethod
    def find(cls, *, url: str | None, api_key: str | None, data_dir: Path) -> "Target":
        """Fill in what the command line left out."""
        host = DataDirectory(data_dir).running_host() if data_dir.is_dir() else None
        found = url or os.environ.get("ISP_PLUGINS_URL") or (host.url if host else None) or DEFAULT_URL
        key = api_key or os.environ.get("ISP_PLUGINS_API_KEY")
        if key is None and (urlsplit(found).hostname or "") in LOOPBACK:
            key = _admin_key(data_dir)
        _refuse_unusable(found, key)
        return cls(found.rstrip("/"), key)


class Client:
    """Calls the API; every failure ends the command with a message and its exit code."""

    def __init__(self, target: Target) -> None:
        headers = {"X-API-Key": target.api_key} if target.api_key else {}
        self._target = target
        self._http = httpx.Client(
            base_url=f"{target.url}/api/v1",
            headers=headers,
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=_trusted(target.url),
        )

    def get(self, path: str, **params: Any) -> Any:
        """GET; parameters that are None are left out."""
        return self.send(
            "GET", path, params={name: value for name, value in params.items() if value is not None}
        )

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        """POST a JSON body, or none."""
        return self.send(
            "POST",
            path,
            json=body,
            params={name: value for name, value in params.items() if value is not None},
        )

    def put(self, path: str, body: Any) -> Any:
        """PUT a JSON body."""
        return self.send("PUT", path, json=body)

    def delete(self, path: str, **params: Any) -> Any:
        """DELETE."""
        return self.send(
            "DELETE", path, params={name: value for name, value in params.items() if value is not None}
        )

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, Any],
        silence_s: float,
        is_back: bool,
    ) -> Iterator[Iterator[str]]:
        """The lines of an endless answer, which is broken off after so much silence; raises httpx's errors of the connection.

        To whoever is back after a break, a server that cannot answer just now is such an error too.
        """
        limits = httpx.Timeout(TIMEOUT_S, read=silence_s)
        with self._http.stream(
            "GET", path, headers=dict(headers), params=dict(params), timeout=limits
        ) as response:
            if is_back and response.is_server_error:
                raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
            if response.is_error:
                response.read()
                self._refused(response)
            yield lines_of(response.iter_text())

    def unreachable(self, error: Exception) -> NoReturn:
        """End the command: nobody answers."""
        fail(
            "No server answers",
            detail=f"{self._target.url}: {error}. Start one with 'isp-plugins serve', or name another with --url.",
            code=Exit.UNREACHABLE,
        )

    def send(self, method: str, path: str, **options: Any) -> Any:
        """One request; the JSON answer, or None where there is none."""
        if options.get("json") is None:
            options.pop("json", None)
        try:
            response = self._http.request(method, path, **options)
        except httpx.TimeoutException:
            fail(
                "The server did not answer in time",
                detail=f"{self._target.url} kept silent for {TIMEOUT_S:.0f} s. Look at its log; what you asked for may still be done.",
                code=Exit.UNREACHABLE,
            )
        except httpx.TransportError as error:
            self.unreachable(error)
        except httpx.InvalidURL as error:
            fail(
                "The URL cannot be used",
                detail=f"{self._target.url}: {error}. Expected something like {DEFAULT_URL}.",
                code=Exit.USAGE,
            )
        if response.is_error:
            self._refused(response)
        return response.json() if response.content else None

    def plugin(self, reference: str) -> dict[str, Any]:
        """The plugin with this id or name."""
        if reference.isdecimal():
            found: dict[str, Any] = self.get(f"/plugins/{reference}")
            return found
        page = self.get("/plugins/", name=reference, size=1)
        if not page["items"]:
            fail(
                "No such plugin",
                detail=f"nothing is registered as {reference!r}. 'isp-plugins list' shows what is.",
            )
        plugin: dict[str, Any] = page["items"][0]
        return plugin

    def plugin_path(self, reference: str, *parts: str | int) -> str:
        """The API path of a plugin, or of something of it."""
        return "/".join(
            ["/plugins", str(self.plugin(reference)["id"]), *(quote(str(part), safe="") for part in parts)]
        )

    def _refused(self, response: httpx.Response) -> None:
        problem = _problem_of(response)
        hint = ""
        if response.status_code == httpx.codes.UNAUTHORIZED:
            hint = "Give a key with --api-key or ISP_PLUGINS_API_KEY; 'isp-plugins keys create --offline' recovers a lost admin key."
        elif response.is_server_error and problem.get("instance"):
            hint = f"The server's log tells more under request {problem['instance']}."
        fail(
            str(problem.get("title", f"HTTP {response.status_code}")),
            detail=sentences(
                *(str(part or "") for part in (problem.get("detail"), problem.get("next_step"), hint))
            ),
            mistakes=problem.get("errors") or (),
        )


def _refuse_unusable(url: str, key: str | None) -> None:
    """End the command where no request can be made of what was given."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        fail(
            "The URL cannot be used",
            detail=f"expected something like {DEFAULT_URL}, got {url!r}.",
            code=Exit.USAGE,
        )
    if key is not None and not (key.isascii() and key.isprintable()):
        fail(
            "That is no API key",
            detail="a key looks like isp_ followed by letters and digits, as 'isp-plugins keys create' printed it. "
            "Give one with --api-key or ISP_PLUGINS_API_KEY.",
            code=Exit.USAGE,
        )


def _problem_of(response: httpx.Response) -> Mapping[str, Any]:
    """The problem document of an answer; one that is none (a proxy's page, say) becomes one."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict) and "title" in problem:
        return problem
    return {
        "title": f"HTTP {response.status_code}",
        "detail": f"{response.url} does not answer like this API. Check --url.",
    }


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Reading the usual authorities takes 25 ms of each command: over plain HTTP nobody is asked, and so none is trusted."""
    return True if urlsplit(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _admin_key(data_dir: Path) -> str | None:
    """The bootstrap key, where this user may read it."""
    try:
        return (data_dir / "admin.key").read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
