"""What can go wrong when logs are read; writing them never fails."""

from isp_plugins.errors import InvalidInputError


class LogPageTooDeepError(InvalidInputError):
    """Page {page} of {size} lies beyond the newest {limit} log records, which is as far as pages go. To look further back, set `until` to the time of the oldest record you have seen, or narrow the filters."""
