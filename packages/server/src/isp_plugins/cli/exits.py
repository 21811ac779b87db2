"""Exit codes of `isp-plugins`, the same for every command."""

from enum import IntEnum


class Exit(IntEnum):
    """What a script may rely on."""

    DONE = 0
    """The command did what it says."""
    REFUSED = 1
    """The server, or the installation, refused; the message says why and what to do next."""
    USAGE = 2
    """The command line itself is wrong."""
    UNREACHABLE = 3
    """No server answers at the URL."""
    FOUND = 4
    """A check ran and found something wrong (`audit verify`, `health`, a dispatch that was not completed)."""
