"""What the HTTP layer itself refuses, before any room behind it is asked."""

from typing import ClassVar

from isp_plugins.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PluginSystemError,
    TooLargeError,
    UnavailableError,
)


class MalformedRequestError(PluginSystemError):
    """The request cannot be read."""


class JsonMalformedError(MalformedRequestError):
    """The body is not JSON: {problem}. Expected one JSON document in UTF-8 (no byte order mark, NaN, Infinity or lone surrogate)."""


class FormMalformedError(MalformedRequestError):
    """The form cannot be read: {problem}. Expected multipart/form-data as curl -F or a browser sends it."""


class UploadTooLargeError(TooLargeError):
    """The uploaded file is larger than {limit} bytes, which is the most that this server takes. Leave out what the plugin does not need, or let the operator raise ISP_PLUGINS_PACKAGE_MAX_MB."""


class PreferInvalidError(InvalidInputError):
    """The header Prefer asks for {got!r}: expected wait=N with 0 to {most} seconds. Leave it out to be answered at once."""


class BodyMissingError(InvalidInputError):
    """The request has no body: expected {expected}. The API's description at /api/v1/docs shows an example."""


class BodyTooLargeError(TooLargeError):
    """The body is larger than {limit} bytes, which is the most that this server reads. Send less, or let the operator raise ISP_PLUGINS_MAX_BODY_BYTES."""


class NestingTooDeepError(InvalidInputError):
    """The body nests deeper than {limit} levels, which is the most that this server reads. Send a flatter document."""


class NulCharacterError(InvalidInputError):
    """The request holds a NUL character (U+0000) in {where}, which no database of this server can keep. Send the text without it."""


class IntegerTooLargeError(InvalidInputError):
    """The body holds an integer beyond 64 bits ({start}...), which would lose digits on its way. Send it as a string."""


class BodyInvalidError(InvalidInputError):
    """The request does not fit: {summary}."""


class ParameterUnknownError(InvalidInputError):
    """There is no query parameter {names} here. Known: {known}."""


class PathUnknownError(NotFoundError):
    """Nothing is at {path}: {hint}."""


class ProblemUnknownError(NotFoundError):
    """There is no kind of problem called {slug}. GET /problems lists them."""


class MethodNotAllowedError(PluginSystemError):
    """{method} does not work on {path}: expected {allowed}."""


class MediaTypeUnsupportedError(PluginSystemError):
    """A body of type {got} cannot be read here: expected {expected}. Set the Content-Type header to what the body is."""


class PreconditionFailedError(PluginSystemError):
    """The plugin has changed since you read it: If-Match says {expected}, but its ETag is {found}. Read it again, and repeat the change if it still makes sense."""


class KeyLimitedError(ForbiddenError):
    """This key is limited to named plugins or hooks, and {what} concerns all of them. Name one of them as a filter (plugin_id, hook), or use a key without limits."""


class LastEventIdInvalidError(InvalidInputError):
    """The header Last-Event-ID is {got!r}: expected the id of a log record, as the stream sent it. Leave it out to begin now."""


class NotReadyError(UnavailableError):
    """The server is not ready: {problem}. Ask again in a moment."""


class RequestRefusedError(PluginSystemError):
    """The request was refused: {detail}."""


class InternalError(PluginSystemError):
    """Something went wrong inside the server; nothing about it is your fault. Its log has the cause under request {request_id}."""

    log_name: ClassVar[str] = "isp_plugins.api"


class ConfigurationExistsError(ConflictError):
    """Plugin {plugin_id} already stores a value of {key} (configuration {config_id}): PUT /api/v1/plugins/{plugin_id}/config/{config_id} changes it."""
