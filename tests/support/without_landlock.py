"""The command line on a kernel that has no Landlock, as far as it and all it starts can tell: `python -m support.without_landlock ARGUMENT...`."""

import errno

from isp_plugin_sdk.sandbox import bpf, seccomp
from isp_plugin_sdk.sandbox.landlock import CREATE_RULESET
from isp_plugin_sdk.sandbox.privileges import no_new_privileges
from isp_plugins.cli.main import main


def take_landlock_away() -> None:
    """Answer to it from now on what a kernel answers that does not know it."""
    no_new_privileges()
    refused = bpf.if_equal(CREATE_RULESET, [bpf.verdict(bpf.refuse(errno.ENOSYS))])
    seccomp.install([bpf.load(bpf.NUMBER), *refused, bpf.verdict(bpf.ALLOW)])


if __name__ == "__main__":
    take_landlock_away()
    main()
