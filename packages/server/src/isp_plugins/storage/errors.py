"""What can go wrong when a plugin keeps something."""

from isp_plugins.errors import ConflictError, InvalidInputError, TooLargeError


class StorageKeyInvalidError(InvalidInputError):
    """The storage key {key!r} cannot be used: expected 1 to {limit} printable characters. Shorten it, or keep several values in one object."""


class StorageValueInvalidError(InvalidInputError):
    """The value for the storage key {key!r} is not JSON at {path}: {problem}. Turn it into text, numbers, lists and objects first."""


class StorageValueTooLargeError(TooLargeError):
    """The value for the storage key {key!r} has {size} bytes of JSON, at most {limit} are kept. Split it over several keys, or keep it in a file or database of the plugin's own and store its name."""


class StorageFullError(ConflictError):
    """The plugin's storage is full: {used} of {quota} bytes are in use and the key {key!r} needs {needed} more. Delete keys that are no longer needed (`self.context.list` names them)."""


class StorageFencedError(ConflictError):
    """Nothing was stored: the plugin {plugin_id} runs on one node at a time, and the lease under which this instance was started is over; {holder}. This instance was cut off or stood still for too long and is stopped; do not store it again, the instance that runs now goes on from what is stored."""


class StoragePluginGoneError(ConflictError):
    """The plugin {plugin_id} was deleted, so nothing can be stored for it any more."""
