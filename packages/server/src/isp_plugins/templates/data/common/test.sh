#!/bin/sh
# What CI runs, and what you run before you push: lint and tests, in a virtual environment of their own.
# PYTHON names another interpreter, 3.11 or newer; ISP_PLUGIN_SDK the folder of the SDK, where no package index has it.
set -eu
cd "$(dirname "$0")"
test -d .venv || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --upgrade "pip>=25.1"
test -z "${ISP_PLUGIN_SDK:-}" || .venv/bin/python -m pip install --quiet "$ISP_PLUGIN_SDK"
.venv/bin/python -m pip install --quiet --group dev
.venv/bin/python -m ruff check .
.venv/bin/python -m pytest
