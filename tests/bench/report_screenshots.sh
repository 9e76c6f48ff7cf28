#!/usr/bin/env bash
# By hand: a report (medtok report) in headless Chromium, light and dark, at 400 and 1,400 pixels, to be looked at; fails if the page logs
# anything to the console, where refused requests and errors of scripts stand, or looks up a host.
# usage: report_screenshots.sh PAGE FOLDER [HEIGHT]      CHROMIUM: the program (chromium)
set -euo pipefail
page=$(realpath "$1") folder=$2 height=${3:-6000}
mkdir -p "$folder"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
failed=0
for width in 400 1400; do
    for scheme in dark light; do
        image=$folder/report-$scheme-$width.png
        "${CHROMIUM:-chromium}" --headless=old --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" \
            --blink-settings=preferredColorScheme=$([ $scheme = dark ] && echo 0 || echo 1) --window-size=$width,$height \
            --host-resolver-rules="MAP * ~NOTFOUND" --enable-logging=stderr --virtual-time-budget=3000 --screenshot="$image" \
            "file://$page" >"$profile/log" 2>&1
        grep CONSOLE "$profile/log" && failed=1
        echo "$image"
    done
done
exit $failed
