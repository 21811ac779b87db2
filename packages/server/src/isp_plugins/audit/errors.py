"""What can be wrong with an audit entry before it is written."""

from isp_plugins.errors import InvalidInputError


class AuditDetailError(InvalidInputError):
    """The audit detail {path} cannot be recorded: expected text, a number, a boolean, null, or a list or object of these, got {got}."""
