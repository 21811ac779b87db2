"""The families of errors: each is written once, as a class whose docstring is the message to its reader.

1. A concrete error names a family, so that `api.problems` knows the HTTP status and the command line the exit code.
2. Its docstring's first paragraph is the message: what was expected, what came, what to do next; `{field}` is replaced by the value given.
3. It lives in the room that raises it; only families live here.
"""

import inspect
import re
from typing import Any, ClassVar


class PluginSystemError(Exception):
    """Something went wrong in the plugin system."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        template = inspect.cleandoc(type(self).__doc__ or "").split("\n\n", 1)[0]
        text = " ".join(template.split()).format(**fields)
        super().__init__(re.sub(r"\?\.(?= |$)", "?", text))

    problem: ClassVar[str] = "plugin-system"
    """The stable slug of this error, the last part of a problem document's `type`; derived from the class's name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.problem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__.removesuffix("Error")).lower()

    @property
    def message(self) -> str:
        """The message with its fields filled in."""
        return str(self)

    @property
    def details(self) -> list[dict[str, Any]]:
        """Single mistakes, where one error reports several: each `{path, message}` and what else helps."""
        mistakes = self.fields.get("mistakes", [])
        return list(mistakes) if isinstance(mistakes, list) else []


class InvalidInputError(PluginSystemError):
    """The request is understood but a value in it is not acceptable."""


class UnauthenticatedError(PluginSystemError):
    """The caller did not prove who it is."""


class ForbiddenError(PluginSystemError):
    """The caller is known but may not do this."""


class NotFoundError(PluginSystemError):
    """What was asked for does not exist."""


class ConflictError(PluginSystemError):
    """The request does not fit the present state."""


class TooLargeError(PluginSystemError):
    """The request is larger than the server accepts."""


class UnavailableError(PluginSystemError):
    """The server cannot do this now; the same request may succeed later."""


class StartupError(PluginSystemError):
    """The server cannot start; the message says what to mend first."""
