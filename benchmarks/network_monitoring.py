"""One sweep of 1,000 devices by the network monitoring example: how long it takes, and what CPU time it needs. Run as `python -m benchmarks.network_monitoring`.

1. The devices are real listeners on addresses of 127.0.0.0/8 in a process of their own, so that only the plugin's CPU time is counted.
2. A sweep probes every device once, as fast as the configured concurrency allows; the figures are medians of several sweeps.
3. A third of the devices gone is measured, too: a refused connection must not cost more than an accepted one.
"""

import argparse
import importlib.util
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from isp_plugin_sdk.testing import PluginHarness

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "plugins" / "network_monitoring"
CONFIG = {"method": "tcp", "interval": 3600, "timeout": 5, "failures_down": 1, "hold_seconds": 0}


def main() -> int:
    """Measure and print; returns 0."""
    options = parse_options()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(options.devices, there), daemon=True
    )
    process.start()
    devices = here.recv()
    print(
        f"{'one sweep of ' + str(len(devices)) + ' devices':<44} {'seconds':>8} {'CPU s':>8} {'us a probe':>11}"
    )
    report("tcp, all answer", sweeps(devices, options))
    here.send("down")
    here.recv()
    report("tcp, a third refuses", sweeps(devices, options))
    pinged = [{"id": one["id"], "address": one["address"]} for one in devices]
    report("icmp, all answer", sweeps(pinged, options, method="icmp") if can_ping() else None)
    here.send("end")
    process.join()
    return 0


def parse_options() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description="Measure one sweep of the network monitoring example.")
    parser.add_argument("--devices", type=int, default=1000, help="how many devices")
    parser.add_argument("--sweeps", type=int, default=9, help="how many sweeps; the median counts")
    parser.add_argument("--concurrency", type=int, default=256, help="probes under way at once")
    return parser.parse_args()


def sweeps(
    devices: list[dict[str, Any]], options: argparse.Namespace, **changes: Any
) -> list[tuple[float, float]]:
    """Seconds and CPU seconds of each sweep."""
    config = CONFIG | {"devices": devices, "concurrency": options.concurrency} | changes
    registration = json.loads((EXAMPLE / "plugin.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plugins").mkdir()
        (Path(folder) / "plugins" / EXAMPLE.name).symlink_to(EXAMPLE, target_is_directory=True)
        with PluginHarness.from_registration(
            registration, config, folder=Path(folder), deadline_s=120
        ) as harness:
            harness.call("stop_monitoring")
            return [once(harness) for _ in range(options.sweeps + 1)][1:]


def once(harness: PluginHarness) -> tuple[float, float]:
    """One sweep."""
    began, cpu = time.perf_counter(), time.process_time()
    harness.call("check_all_devices")
    return time.perf_counter() - began, time.process_time() - cpu


def report(what: str, measured: list[tuple[float, float]] | None) -> None:
    """Print the medians."""
    if measured is None:
        print(f"{what:<44} this process may not send ICMP echo requests")
        return
    seconds, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
    devices = parse_options().devices
    print(f"{what:<44} {seconds:8.3f} {cpu:8.3f} {cpu / devices * 1e6:11.0f}", flush=True)


def serve(count: int, connection: Connection) -> None:
    """The devices' process: stands the fleet, takes a third away when told."""
    spec = importlib.util.spec_from_file_location("fleet", EXAMPLE / "tests" / "fleet.py")
    fleet_module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["fleet"] = fleet_module
    spec.loader.exec_module(fleet_module)
    with fleet_module.standing(count) as fleet:
        connection.send(fleet.configuration())
        while (word := connection.recv()) != "end":
            fleet.down(*range(0, count, 3))
            connection.send(word)


def can_ping() -> bool:
    """Whether this process may send echo requests."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
