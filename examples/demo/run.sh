#!/usr/bin/env bash
# Run the demo on the images that Debian installs.
#
#   usage: examples/demo/run.sh [SCRATCH] [OPTION]...      (--help lists the options)
#
# SCRATCH is where the store and the contact sheet go (default: build/demo-scratch); a store that
# an earlier demo left there is removed. HOLOG_DEMO names another program than
# build/examples/demo/holog-demo. Exit status 77: the program or the images are not there.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DEMO=${HOLOG_DEMO:-${HOLOG_BUILD_ROOT:-$ROOT}/build/examples/demo/holog-demo}

# skip WORD...: nothing to run, and why.
skip()
{
    printf 'demo: %s\n' "$*" >&2
    exit 77
}

# owned PACKAGE PATTERN: the first file of a package whose path matches.
owned()
{
    dpkg-query -L "$1" 2>/dev/null | grep -m 1 -E "$2" || :
}

# first FILE...: the first of these that exists.
first()
{
    local file
    for file in "$@"; do
        if [ -n "$file" ] && [ -e "$file" ]; then
            printf '%s\n' "$file"
            return 0
        fi
    done
}

SCRATCH=${HOLOG_BUILD_ROOT:-$ROOT}/build/demo-scratch
case ${1:-} in
'' | --*) ;;
*)
    SCRATCH=$1
    shift
    ;;
esac

[ -x "$DEMO" ] || skip "there is no $DEMO: it needs libpng-dev and zlib1g-dev, then ./dev build"
for word; do
    if [ "$word" = --help ]; then
        exec "$DEMO" --help
    fi
done
camera=$(first "$(owned python3-skimage '/data/camera\.png$')" \
    /usr/lib/python3/dist-packages/skimage/data/camera.png)
[ -n "$camera" ] || skip "no images: apt-get install python3-skimage"
brain=$(first "$(owned mricron-data '/ch2better\.nii\.gz$')" "$(owned mricron-data '/ch2\.nii\.gz$')" \
    /usr/share/mricron/templates/ch2better.nii.gz /usr/share/mricron/templates/ch2.nii.gz)
[ -n "$brain" ] || skip "no brain volume: apt-get install mricron-data"

mkdir -p "$SCRATCH"
rm -rf "$SCRATCH/demo.holog" "$SCRATCH/contact-sheet.png"
exec "$DEMO" --images "$(dirname "$camera")" --volume "$brain" "$@" "$SCRATCH"
