"""The sandbox of a worker: what a plugin is not granted, the operating system denies, from before its first line runs.

`grants` are what a manifest asks for; the host makes a `policy` of them; the child applies it (`apply`) and tells what holds (`report`). Where a
peer is granted by name, the host connects and hands the connection over (`broker`, `network`). What the kernel offers is asked by `probe`.
"""

POLICY_VARIABLE = "ISP_PLUGIN_SANDBOX"
"""The environment variable in which a worker finds its policy; taken out before the plugin is imported."""
BROKER_VARIABLE = "ISP_PLUGIN_BROKER"
"""The environment variable with the number of the inherited socket on which the host connects for the worker."""
