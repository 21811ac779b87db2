"""A Node.js of the tests: the one on the PATH, or the one that Playwright brings for itself."""

import os
import shutil
from pathlib import Path

import playwright

MISSING = "needs Node.js 20 or newer: there is no `node` on the PATH"


def path_with_node() -> str | None:
    """A PATH that has a `node`; None where there is none to be had."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("node"):
        return path
    driver = Path(playwright.__file__).parent / "driver"
    return f"{path}{os.pathsep}{driver}" if shutil.which("node", path=str(driver)) else None
