"""What would run in an environment's interpreter as soon as it starts, before any sandbox: taken out.

1. Of `.pth` files the lines that are code; lines that are paths stay.
2. `sitecustomize` and `usercustomize`: a dependency that brings one is refused, since it wants to change every program.
"""

from pathlib import Path

from isp_plugins.packages.errors import EnvironmentFailedError

_CUSTOMIZE = ("sitecustomize", "usercustomize")


def take_out_startup_code(site_packages: Path) -> None:
    """Leave nothing in an environment that runs by itself; `EnvironmentFailedError`."""
    for file in site_packages.glob("*.pth"):
        kept = [line for line in file.read_text("utf-8", "replace").splitlines() if not _is_code(line)]
        # The file is a link to the cache's: it is replaced, never written into.
        file.unlink()
        file.write_text("".join(f"{line}\n" for line in kept), "utf-8")
    for place in site_packages.iterdir():
        if place.name.split(".")[0] in _CUSTOMIZE:
            raise EnvironmentFailedError(
                reason=f"a dependency brings {place.name}, which would run in every program"
            )


def _is_code(line: str) -> bool:
    """As Python's `site` decides it."""
    return line.startswith(("import ", "import\t"))
