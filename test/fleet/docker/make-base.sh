#!/bin/sh
# Makes the image fleetflip-test-base, unless it is there: a minimal Debian from a Debian mirror, without any registry.
set -eu

docker image inspect fleetflip-test-base >/dev/null 2>&1 && exit 0

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
debootstrap --variant=minbase --include=openssh-server,dropbear-bin,busybox bookworm "$tree" \
  "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$tree.log" 2>&1 || { cat "$tree.log" >&2; exit 1; }
rm "$tree.log"
tar -C "$tree" -c --exclude='./dev/*' --exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' \
  --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' . | docker import - fleetflip-test-base >/dev/null
