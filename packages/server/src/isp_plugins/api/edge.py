"""The outermost layer of the application: every request passes it, so it does little, and in plain ASGI.

1. A request has an id: the caller's `X-Request-ID` where it is a plain word of at most 128 characters, else a new one; the answer repeats it.
2. Every answer says `nosniff`; what is not a static file says `no-store` too.
3. A path works with and without its last slash.
4. Answers are counted by route and status.
5. What nobody caught becomes a 500 problem without a word of the cause, which the log has under the request's id.
"""

import logging
import random
import re
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isp_plugins.actors import current_request
from isp_plugins.api import problems
from isp_plugins.api.errors import InternalError
from isp_plugins.api.request_counts import count_answer
from isp_plugins.errors import PluginSystemError

logger = logging.getLogger(InternalError.log_name)

_PLAIN = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")

WITH_SLASH = frozenset({"/api/v1/plugins/"})
"""Paths that the specification writes with a slash at their end; all others have none."""


Shortcut = Callable[[Scope], "Handler | None"]
"""Finds the handler of a request that is too hot for the framework's own way to it; None: take that way."""
Handler = Callable[[Request], Awaitable[Response]]


class Edge:
    """Gives requests their id and answers their headers, and catches what nobody caught."""

    def __init__(self, app: ASGIApp, shortcut: Shortcut | None = None) -> None:
        self._app = app
        self._shortcut = shortcut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; what is not HTTP passes untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        current_request.set(request_id)
        scope["path"] = one_spelling(scope["path"])
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                count_answer(scope, message["status"])
                headers = [*message.get("headers", ()), _NOSNIFF, (b"x-request-id", request_id.encode())]
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        try:
            handler = self._shortcut(scope) if self._shortcut is not None else None
            if handler is None:
                await self._app(scope, receive, send_with_headers)
            else:
                answer = await _answered(handler, Request(scope, receive), request_id)
                await answer(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception:
            logger.exception(
                "Unexpected error in %s %s, request %s", scope["method"], scope["path"], request_id
            )
            if started:
                raise
            await _answer_500(send_with_headers, request_id)


async def _answered(handler: Handler, request: Request, request_id: str) -> Response:
    """What a handler answers; what it refuses is a problem document here as everywhere."""
    try:
        return await handler(request)
    except PluginSystemError as error:
        return problems.response(error, request_id)


def request_id_of(scope: Scope) -> str:
    """The caller's request id where it can be trusted to be harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _PLAIN.fullmatch(value):
            return str(value.decode())
    return f"{random.getrandbits(96):024x}"


def one_spelling(path: str) -> str:
    """The path as the routes spell it, whether the caller ended it with a slash or not."""
    if path.endswith("/"):
        return path if path in WITH_SLASH or path == "/" else path.rstrip("/") or "/"
    return f"{path}/" if f"{path}/" in WITH_SLASH else path


async def _answer_500(send: Send, request_id: str) -> None:
    """The answer to what should never have happened."""
    body = problems.internal_error_body(request_id)
    headers = [
        (b"content-type", problems.PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
