#!/bin/sh
# The SDK must work with nothing but the standard library: import every module of it from its built wheel in an empty environment.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$root/.tools/bin/uv" build --quiet --wheel --package isp-plugin-sdk --directory "$root" --out-dir "$work/dist"
"$root/.tools/bin/uv" venv --quiet "$work/env"
"$root/.tools/bin/uv" pip install --quiet --offline --no-deps --python "$work/env" "$work"/dist/*.whl
cd "$work"
"$work/env/bin/python" -I -c '
import importlib, pkgutil, isp_plugin_sdk
names = [m.name for m in pkgutil.walk_packages(isp_plugin_sdk.__path__, "isp_plugin_sdk.")] + ["app.services.plugin_service"]
for name in names:
    importlib.import_module(name)
print(f"The SDK alone: {len(names)} modules import without any third-party package.")
'
