#!/bin/sh
# What the suite needs and PyPI does not serve: a Chromium for the pages in a browser (a root shell on Debian or Ubuntu installs it).
set -eu
command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
    echo "The browser tests need Chromium: install the package 'chromium' of your system, then run this again." >&2
    exit 1
fi
