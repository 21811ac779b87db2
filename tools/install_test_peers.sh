#!/bin/sh
# What the suite needs and PyPI does not serve (a root shell on Debian or Ubuntu installs it):
# a Chromium for the pages in a browser, and promtool, which says whether Prometheus accepts our metrics.
set -eu

has() {
    for name in "$@"; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    return 1
}

can_install() {
    [ "$(id -u)" = 0 ] && has apt-get
}

if ! has chromium google-chrome; then
    if ! can_install; then
        echo "The browser tests need Chromium: install the package 'chromium' of your system, then run this again." >&2
        exit 1
    fi
    echo "Installing Chromium for the browser tests ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

if ! has promtool; then
    if ! can_install; then
        echo "The tests of the metrics need promtool: install the package 'prometheus' of your system, then run this again." >&2
        exit 1
    fi
    echo "Installing promtool for the tests of the metrics ..."
    # Only this one program of the package: installed as a whole it would start a Prometheus server.
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    chmod 755 "$folder"
    apt-get update -qq
    (cd "$folder" && apt-get download -qq -o APT::Sandbox::User=root prometheus >/dev/null && dpkg-deb --extract prometheus_*.deb .)
    install -m 755 "$folder/usr/bin/promtool" /usr/local/bin/promtool
fi
