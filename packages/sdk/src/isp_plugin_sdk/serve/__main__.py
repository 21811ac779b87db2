"""The worker's program: reads its command line, opens the channel, and serves until the channel ends."""

import faulthandler
import os
import sys

from isp_plugin_sdk.errors import PluginSdkError
from isp_plugin_sdk.serve.confined import enter
from isp_plugin_sdk.serve.desk import Desk
from isp_plugin_sdk.serve.ends import open_end
from isp_plugin_sdk.serve.link import Link
from isp_plugin_sdk.serve.options import Options, UsageError, parse
from isp_plugin_sdk.wire.codec import best_codec, standard_codec


def serve(options: Options, parent: int) -> None:
    """Serve one plugin; never returns."""
    link = Link(open_end(), standard_codec() if options.standard_json else best_codec())
    try:
        sandbox, parent = enter(parent)
    except PluginSdkError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(3) from None
    Desk(options, link, parent, sandbox).crew.work()


def main() -> None:
    """The command."""
    parent = os.getppid()
    try:
        options = parse(sys.argv[1:])
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    faulthandler.enable()  # the last words of a crash, for the plugin's log
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what Python itself opened has it
    serve(options, parent)


if __name__ == "__main__":
    main()
