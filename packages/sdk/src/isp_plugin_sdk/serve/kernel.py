"""What a worker asks of the kernel: to be killed when its host dies, even while C code of the plugin holds the interpreter.

The end of the channel also ends a worker (`crew`); this is for the one that cannot read any more.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL at the parent's end; where it has ended already, end now. Does nothing where there is no such thing."""
    if not sys.platform.startswith("linux"):
        return
    try:
        # What ctypes itself calls; importing all of ctypes would cost a tenth of a worker's start.
        import _ctypes

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]  # None is this program itself
        _ctypes.call_function(prctl, (PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    except (ImportError, AttributeError, OSError, TypeError):
        return
    if os.getppid() != parent:
        os._exit(0)
