"""What a plugin does to leave something behind, and how to find it."""

from pathlib import Path

from isp_plugin_sdk.sandbox.privileges import exists_here

FIRST_UID = 1_879_048_192 if exists_here(1_879_048_192 + 10_000) else 65_000
HEAD = "import os, subprocess, sys, time"
SPAWN = """
    def spawn(self, token):
        sleeper = "import sys, time; time.sleep(600)"
        child = [sys.executable, "-I", "-c", sleeper, token]
        started = ["in the group"]
        subprocess.Popen(child)
        orphan = "import subprocess, sys; subprocess.Popen(sys.argv[1:])"
        subprocess.run([sys.executable, "-I", "-c", orphan, *child], check=True)
        started.append("forked twice")
        try:
            subprocess.Popen(child, start_new_session=True)
            started.append("in a session of its own")
        except OSError as error:
            started.append(f"no session: {error.errno}")
        subprocess.Popen(child, env={})
        started.append("with an empty environment")
        return started
    def quiet(self):
        return os.getpid()
    def die(self, how):
        exec(how)
"""


def alive_with(token: str) -> list[int]:
    """Processes whose command line ends with this, zombies apart."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if token.encode() in words:
                found.append(int(folder.name))
    return found
