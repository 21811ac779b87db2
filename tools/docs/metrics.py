"""docs/metrics.md: every metric of `/metrics`, with its kind, labels and meaning."""

from collections.abc import Iterator

from isp_plugins.telemetry.metrics import BOUNDS, DURATION, MAX_PAIRS, OTHERS, SPECS, Spec, process_metrics

PAGE = "docs/metrics.md"
INTRODUCTION = f"""# Metrics

Written by `tools/generate_docs.py metrics` from `isp_plugins.telemetry.metrics`; do not edit.

`GET /metrics` answers in the Prometheus text format, version 0.0.4. It needs a key with the scope `metrics:read`, which every role but
`caller` has, unless `ISP_PLUGINS_METRICS_WITHOUT_KEY=loopback` lets callers on this machine in without one. A scrape reads snapshots;
nothing is counted for its sake. Counters begin at zero with the process.

The number of series is bounded: one for each plugin ({len(BOUNDS) + 3} more for its durations), for each pair of plugin and hook (at most
{MAX_PAIRS}; what comes later is summed up as `{OTHERS}`), for each reason for which a pair was skipped, for each route with method and
status. No label holds anything of a payload, an error or a caller.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |"""
HISTOGRAM = """
`isp_plugins_call_duration_seconds` has the upper bounds {bounds} seconds (powers of two of a nanosecond, on which the host's own finer
histogram is exact) and `+Inf`.

## Of the process

From `prometheus_client`; what the operating system does not tell is left out.

| metric | kind | meaning |
| --- | --- | --- |"""


def render() -> str:
    """The page."""
    bounds = ", ".join(f"{2**power * 1e-9:.3g}" for power in BOUNDS)
    ours = [_row(spec) for spec in sorted((*SPECS, DURATION), key=lambda spec: spec.name)]
    return "\n".join([INTRODUCTION, *ours, HISTOGRAM.format(bounds=bounds), *_process()])


def _row(spec: Spec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    return f"| `{spec.name}` | {spec.kind.value} | {labels} | {spec.help} |"


def _process() -> Iterator[str]:
    for metric in sorted(process_metrics(), key=lambda metric: metric.name):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        yield f"| `{name}` | {metric.type} | {metric.documentation} |"
