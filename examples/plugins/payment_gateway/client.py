"""The gateway's HTTP API: one request at a time, repeated only where that is safe, never past its time.

1. Every POST carries an idempotency key, so repeating it cannot do anything twice; a GET changes nothing.
2. Repeated are: lost connections, timeouts, 429, 5xx, and 409 (the same key is still being worked on); nothing else.
3. An attempt has the limit that the operator set, and all attempts share one limit of time. What was perhaps received when it ends is `OutcomeUnknownError`; what was never sent, `UnreachableError`.
4. Redirects are not followed and proxies of the environment not used: the key goes to the endpoint alone. An answer has at most 1 MiB.
"""

import asyncio
import json
import random
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from .errors import (
    DeclinedError,
    KeyRefusedError,
    OutcomeUnknownError,
    PaymentError,
    RefusedError,
    SettingsError,
    UnreachableError,
)
from .redaction import clean
from .settings import Settings

MAX_ANSWER_BYTES = 1 << 20
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
_AGAIN = frozenset({409, 425, 429, 500, 502, 503, 504})
_NOT_DONE = frozenset({425, 429})
"""Of these, the answers that say for sure that nothing was done."""


class _Again(Exception):  # noqa: N818  not an error: it leads to the next attempt
    """An attempt failed in a way that may be repeated."""

    def __init__(self, problem: str, *, maybe_done: bool, pause: float = 0.0) -> None:
        super().__init__(problem)
        self.maybe_done = maybe_done
        self.pause = pause


class _Attempt:
    """Whether a request has begun to leave this machine, as the transport tells."""

    def __init__(self) -> None:
        self.sent = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Called by the transport at each of its steps."""
        self.sent = self.sent or event.endswith("send_request_headers.started")


class Gateway:
    """A pool of connections to one gateway; build it in a thread (certificates are read), close it on the loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(
            base_url=settings.endpoint,
            headers={
                "Authorization": f"Bearer {settings.api_key}",
                "User-Agent": "isp-plugins-payment-gateway",
            },
            verify=_certificates(settings.ca_file),
            timeout=settings.timeout,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """End all connections."""
        await self._client.aclose()

    async def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, seconds: float, retry: bool = True
    ) -> dict[str, Any]:
        """Read something; an error of `errors`, `UnreachableError` for everything that gave no answer."""
        try:
            return await self._within(seconds, "GET", path, {"params": dict(query or {})}, retry=retry)
        except OutcomeUnknownError as error:
            raise UnreachableError(gateway=self._settings.name, problem=error.fields["problem"]) from error

    async def post(
        self, path: str, form: Mapping[str, str], *, key: str, what: str, seconds: float
    ) -> dict[str, Any]:
        """Do something once; `what` is for `OutcomeUnknownError`."""
        options = {"data": dict(form), "headers": {"Idempotency-Key": key}}
        try:
            return await self._within(seconds, "POST", path, options, retry=True)
        except OutcomeUnknownError as error:
            raise OutcomeUnknownError(what=what, problem=error.fields["problem"]) from error

    async def _within(
        self, seconds: float, method: str, path: str, options: dict[str, Any], *, retry: bool
    ) -> dict[str, Any]:
        """Attempts until one is answered or the time has passed."""
        maybe_done, problem, attempt = False, "there was no time left", _Attempt()
        tries = 1 + (self._settings.max_retries if retry else 0)
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                for number in range(tries):
                    attempt = _Attempt()
                    try:
                        return await self._once(method, path, options, attempt)
                    except _Again as again:
                        maybe_done, problem = maybe_done or again.maybe_done, str(again)
                        attempt = _Attempt()
                        if number + 1 < tries:
                            await asyncio.sleep(_pause(number, again.pause))
        except TimeoutError:
            problem = f"it did not answer within {seconds:.3g} s"
        raise self._unanswered(problem, maybe_done=maybe_done or attempt.sent)

    async def _once(
        self, method: str, path: str, options: dict[str, Any], attempt: _Attempt
    ) -> dict[str, Any]:
        """One attempt; `_Again` where another may follow."""
        limit = asyncio.timeout(self._settings.timeout)
        extensions = {"trace": attempt.trace}
        try:
            async with limit, self._client.stream(method, path, extensions=extensions, **options) as response:
                body = await _read(response)
        except httpx.HTTPError as error:
            raise _Again(self._reason(error), maybe_done=attempt.sent) from error
        except TimeoutError:
            raise _Again("it did not answer in time", maybe_done=attempt.sent) from None
        return self._answer(response, body)

    def _answer(self, response: httpx.Response, body: bytes) -> dict[str, Any]:
        """What the gateway says, or its error."""
        value = _json(body)
        status = response.status_code
        if status in _AGAIN:
            pause = _retry_after(response)
            raise _Again(
                f"it answers {status} {self._message(value)}".rstrip(),
                maybe_done=status not in _NOT_DONE,
                pause=pause,
            )
        if status < 300 and value is not None:
            return value
        if status < 300:
            raise _Again("its answer is no JSON object", maybe_done=True)
        raise self._refusal(status, value)

    def _refusal(self, status: int, value: dict[str, Any] | None) -> PaymentError:
        """The error for an answer that repeating does not change."""
        error = _error(value)
        message = self._message(value) or "without a reason"
        if status == 402 or error.get("type") == "card_error":
            code = str(error.get("decline_code") or error.get("code") or "declined")
            found = error.get("payment_intent")
            return DeclinedError(
                code=clean(code), problem=message, intent=found if isinstance(found, dict) else None
            )
        kind = KeyRefusedError if status in {401, 403} else RefusedError
        return kind(gateway=self._settings.name, status=status, problem=message)

    def _unanswered(self, problem: str, *, maybe_done: bool) -> PaymentError:
        if maybe_done:
            return OutcomeUnknownError(what="it", problem=problem)
        return UnreachableError(gateway=self._settings.name, problem=problem)

    def _message(self, value: dict[str, Any] | None) -> str:
        """The gateway's own words, cleaned of what nobody may read."""
        return clean(_error(value).get("message") or "", self._settings.api_key)

    def _reason(self, error: httpx.HTTPError) -> str:
        """What a lost connection says, in a few words."""
        if isinstance(error, httpx.TimeoutException):
            return "it did not answer in time"
        return clean(str(error) or type(error).__name__, self._settings.api_key)


async def _read(response: httpx.Response) -> bytes:
    """The body, up to the limit."""
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise httpx.RemoteProtocolError("its answer is too large")
        parts.append(part)
    return b"".join(parts)


def _json(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None for anything else."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _error(value: dict[str, Any] | None) -> dict[str, Any]:
    """The `error` member of an answer."""
    found = (value or {}).get("error")
    return found if isinstance(found, dict) else {}


def _pause(number: int, asked: float) -> float:
    """How long to wait before the next attempt, in seconds: what was asked for, else doubling, with jitter."""
    grown = FIRST_PAUSE_S * 2.0**number * random.uniform(0.5, 1.0)  # noqa: S311  jitter, nothing secret
    return max(asked, min(grown, LONGEST_PAUSE_S))


def _retry_after(response: httpx.Response) -> float:
    """The pause that an answer asks for, in seconds."""
    text: str = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _certificates(ca_file: str | None) -> ssl.SSLContext:
    """What certificates are checked with."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            problem=f"ca_file {ca_file} cannot be read ({error.strerror or error})"
        ) from error
