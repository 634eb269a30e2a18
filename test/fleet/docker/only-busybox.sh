# Turns a Debian into one whose userland is busybox.
set -eu
gnu=$(dpkg -L coreutils findutils tar sed grep gzip mawk perl-base util-linux diffutils bash dash hostname | grep -E '/s?bin/')
applets=$(busybox --list)
for file in $gnu; do busybox rm -f "$file"; done
for applet in $applets; do
  [ "$applet" = busybox ] || { busybox rm -f "/usr/sbin/$applet" && busybox ln -sf /usr/bin/busybox "/usr/bin/$applet"; }
done
