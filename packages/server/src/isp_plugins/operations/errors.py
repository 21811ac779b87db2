"""What can go wrong with an operation as such; what goes wrong in its work is of the room that does it."""

from isp_plugins.errors import ConflictError, NotFoundError, UnavailableError


class OperationNotFoundError(NotFoundError):
    """There is no operation {operation}. Ended ones are kept for a while only; `isp-plugins operations list` (GET /api/v1/operations) shows what there is."""


class OperationEndedError(ConflictError):
    """Operation {operation} has ended already, as {state}: there is nothing to cancel."""


class OperationElsewhereError(ConflictError):
    """Operation {operation} is worked on by node {node}, and only there it can be cancelled. Send the request to that node."""


class OperationCancelledError(ConflictError):
    """It was cancelled by {who}{where}. What it had done was undone; ask for it again when you want it."""


class OperationInterruptedError(UnavailableError):
    """The server was stopped{where}. What it had done was undone; ask for it again."""


class OperationNodeLostError(UnavailableError):
    """Node {node}, which worked on it, was lost{where}. What it had done there is finished or undone when that node starts again; where that is not to be, ask for it again on another node."""


class OperationDiskError(UnavailableError):
    """The disk did not take it in step {step}: {cause}. What it had done was undone; make room or mend the disk, then ask for it again."""


class OperationBrokenError(UnavailableError):
    """Something unexpected went wrong in step {step}; the server's log has the cause under operation {operation}. What it had done was undone."""
