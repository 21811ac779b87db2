"""Installing a plugin: every step of a small wheel with one dependency, against `uv venv` and `uv pip install` of the same by hand.

    python -m benchmarks.packages [--rounds 15]

1. Both have a warm cache of their own, wheels from one folder, no network; each round makes a new environment on both sides, by turns.
2. Ours does more: it checks the wheel, locks with hashes, compiles bytecode, packs for good what by hand is only unpacked, and forces it to the disk.
   By hand is measured twice: plainly, which is the bar's reference, and with bytecode compiled.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from uv import find_uv_bin

from benchmarks.harness import Row, Table
from isp_plugins.contracts.worker import WorkerLimits
from isp_plugins.packages.sdk_wheel import pack_sdk
from isp_plugins.packages.store import PackageStore
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15
AT_MOST = 3.0
STEPS = ("fetch", "unpack", "manifest", "resolve", "environment", "keep")


class Contest:
    """One folder for both contestants."""

    def __init__(self, folder):
        from support.wheels import make_plugin_wheel, make_wheel

        self.folder = folder
        self.links = folder / "links"
        make_wheel(self.links, "dep", "1.0")
        self.wheel = make_plugin_wheel(folder, requires=["dep", "isp-plugin-sdk"])
        shutil.copy(pack_sdk(folder / "sdk").path, self.links)
        settings = Settings(
            data_dir=folder / "data", package_find_links=str(self.links), package_offline="yes"
        )
        self.store = PackageStore(settings)
        self.numbers = itertools.count()
        self.environment = {"UV_CACHE_DIR": str(folder / "cache"), "PATH": os.defpath, "HOME": str(folder)}

    def ours(self):
        """All steps; seconds of each."""
        return asyncio.run(self._install())

    async def _install(self):
        store, times = self.store, {}
        staging = store.folders.data_dir / "staging" / str(next(self.numbers))
        await store.drop_unused(digests=frozenset(), environments=frozenset())
        began = time.perf_counter()

        def lap(step):
            nonlocal began
            times[step], began = time.perf_counter() - began, time.perf_counter()

        download = await store.fetch(Source(SourceKind.UPLOAD, str(self.wheel)), staging)
        lap("fetch")
        tree = await store.unpack(download, staging)
        wheel = await store.build(tree, staging)
        lap("unpack")
        manifest = store.read_manifest(wheel)
        lap("manifest")
        lock = await store.resolve(wheel, manifest, staging)
        lap("resolve")
        environment = await store.build_environment(lock, staging)
        lap("environment")
        artifact = await store.keep(wheel, staging)
        store.program(manifest, artifact, environment, WorkerLimits())
        lap("keep")
        assert environment.made
        return times

    def by_hand(self, *options):
        """`uv venv` and `uv pip install`; seconds."""
        place = self.folder / "by-hand" / str(next(self.numbers))
        uv = find_uv_bin()
        began = time.perf_counter()
        for command in (
            ["venv", "--quiet", "--python", sys.executable, place],
            ["pip", "install", "--quiet", "--offline", "--no-index", "--find-links", self.links, *options, "--python", place, self.wheel],
        ):  # fmt: skip
            subprocess.run([uv, *command], env=self.environment, cwd=self.folder, check=True)
        return time.perf_counter() - began


def compare(table, rounds):
    with tempfile.TemporaryDirectory() as temporary:
        contest = Contest(Path(temporary))
        laps, plain, compiled = [], [], []
        for number in range(rounds + 1):
            taken = contest.ours(), contest.by_hand(), contest.by_hand("--compile-bytecode")
            if number:  # the first round warms the caches
                for kept, one in zip((laps, plain, compiled), taken, strict=True):
                    kept.append(one)
    ours = [sum(lap.values()) for lap in laps]
    for step in STEPS:
        seconds = statistics.median(lap[step] for lap in laps)
        share = statistics.median(lap[step] / sum(lap.values()) for lap in laps)
        table.add(Row(f"of it {step}", share, "of ours", seconds * 1e9))
    for what, others, bar in (
        ("install, against venv and pip install by hand", plain, AT_MOST),
        ("install, against the same with bytecode", compiled, None),
    ):
        ratio = statistics.median(mine / other for mine, other in zip(ours, others, strict=True))
        table.add(Row(what, ratio, "x by hand", statistics.median(ours) * 1e9, at_most=bar))


def main(arguments=()):
    """Run it; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT / "tests"))
    table = Table("Packages (a small wheel with one dependency, warm cache)")
    table.start()
    compare(table, options.rounds)
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
