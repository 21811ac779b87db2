"""What can go wrong when logs are read; writing them never fails."""

from isp_plugins.errors import InvalidInputError, UnavailableError


class LogPageTooDeepError(InvalidInputError):
    """Page {page} of {size} lies beyond the newest {limit} log records, which is as far as pages go. To look further back, set `until` to the time of the oldest record you have seen, or narrow the filters."""


class TooManyFollowersError(UnavailableError):
    """{limit} readers follow the logs of this node already, which is as many as it serves at once. End one of them, or read pages with GET /api/v1/plugins/logs."""
