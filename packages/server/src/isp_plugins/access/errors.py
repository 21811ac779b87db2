"""Why a caller is turned away, and what can be wrong with a key."""

from isp_plugins.errors import (
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    StartupError,
    UnauthenticatedError,
)


class MissingKeyError(UnauthenticatedError):
    """The request has no API key. Send one as `X-API-Key: isp_...` or `Authorization: Bearer isp_...`; an admin creates it with `isp-plugins keys create`."""


class UnknownKeyError(UnauthenticatedError):
    """The API key is not known here. Compare it with the one you were given (it starts with `isp_`), or have an admin create another with `isp-plugins keys create`."""


class ExpiredKeyError(UnauthenticatedError):
    """The API key {name!r} ({hint}...) expired at {expired_at}. Have an admin create another with `isp-plugins keys create`."""


class RevokedKeyError(UnauthenticatedError):
    """The API key {name!r} ({hint}...) was revoked at {revoked_at}. Have an admin create another with `isp-plugins keys create`."""


class ScopeMissingError(ForbiddenError):
    """This needs the scope {scope}; {name!r} (role {role}{limits}) has {scopes}. Use an unlimited key of the role {roles}."""


class PluginNotAllowedError(ForbiddenError):
    """The API key {name!r} is limited to the plugins {allowed}; this is about {plugin}. Use a key that covers it."""


class HookNotAllowedError(ForbiddenError):
    """The API key {name!r} is limited to the hooks {allowed}; this is about {hook}. Use a key that covers it."""


class KeyInvalidError(InvalidInputError):
    """The API key cannot be created: {summary}. Mend what is named and try again."""


class KeyNotFoundError(NotFoundError):
    """There is no API key {key_id}. `isp-plugins keys list` shows those there are."""


class AdminKeyFileError(StartupError):
    """The admin key cannot be written to {path}: {cause}. Make the data directory writable and start again; no key was created."""
