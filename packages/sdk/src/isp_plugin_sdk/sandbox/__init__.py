"""The sandbox of a worker: what a plugin is not granted, the operating system denies, from before its first line runs.

`grants` are what a manifest asks for; the host makes a `policy` of them; the child applies it (`apply`) and tells what holds (`report`). Where a
peer is granted by name, the host connects and hands the connection over (`broker`, `network`). What the kernel offers is asked by `probe`.
"""
