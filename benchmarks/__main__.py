"""`make bench`: every measurement that has a bar, one after the other; ends with 1 if a bar was missed.

`python -m benchmarks hooks http` runs only those named. Each is a module of this folder with a `main()` that prints its table.
"""

import importlib
import os
import platform
import sys

MEASUREMENTS = (
    "hooks",
    "http",
    "statistics",
    "logs",
    "isolation",
    "supervision",
    "packages",
    "sandbox",
    "upgrade",
    "events",
    "nodes",
)
"""Modules in the order in which they run."""


def main(names):
    """Run the named measurements, or all; the exit code."""
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        sys.stderr.write(
            f"There is no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}.\n"
        )
        return 2
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    missed = [
        name
        for name in MEASUREMENTS
        if name in (names or MEASUREMENTS)
        if importlib.import_module(f"benchmarks.{name}").main()
    ]
    print(f"\n{'A bar was missed in: ' + ', '.join(missed) if missed else 'Every bar was met.'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
