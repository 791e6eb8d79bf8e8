#!/usr/bin/env bash
# Makes the pictures in this folder from a report, and looks whether the page is clean: no error on the console, no request
# of the page's. With no argument it runs examples/quickstart.toml first.
#
#     docs/images/make.sh [REPORT.html]
#
# Needs Chromium (Debian's package `chromium`), and `coordinator` on the PATH or in target/release.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/docs/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

report=${1:-}
if [ -z "$report" ]; then
  coordinator=$(command -v coordinator || echo "${CARGO_TARGET_DIR:-target}/release/coordinator")
  "$coordinator" --state "$work/state" sweep examples/quickstart.toml --quiet
  report=$work/state/reports/quickstart/report.html
fi
report=$(realpath "$report")

# picture NAME SECTIONS HEIGHT [dark]: a window of that height that shows only these sections
picture() {
  local dark=()
  [ -z "${4:-}" ] || dark=(--blink-settings=preferredColorScheme=0)
  sed "0,/<\/head>/s//<style>main > section:not($2), header { display: none } h2 { margin-top: 0; border: 0 }<\/style><\/head>/" \
    "$report" > "$work/page.html"
  chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars "${dark[@]}" \
    --window-size="1320,$3" --virtual-time-budget=15000 --enable-logging=stderr --log-net-log="$work/net.json" \
    --net-log-capture-mode=Everything --screenshot="$here/$1.png" "file://$work/page.html" 2> "$work/log"
  if grep -E 'CONSOLE|Uncaught' "$work/log"; then
    echo "$1: the page wrote to the console" >&2
    exit 1
  fi
  # the browser's own requests (updates, accounts) have no origin; those of a page name theirs
  if grep -o '"initiator":"[^"]*"' "$work/net.json" | grep -v 'not an origin'; then
    echo "$1: the page sent a request" >&2
    exit 1
  fi
}

picture report '#maps' 1000
picture report-comparison '#leaderboard, #comparison' 1500
picture report-dark '#curves, #time' 1010 dark
ls -l "$here"/*.png
