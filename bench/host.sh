#!/bin/sh
# One OpenSSH server as a host of its own: /var/www, its account's home and /tmp are in DIRECTORY. Needs root and a private
# mount namespace. host.sh DIRECTORY ADDRESS PORT [NAME=VALUE...]; DIRECTORY has host_key and authorized_keys already; the others
# are set for every login.
set -eu

directory=$1 address=$2 port=$3
shift 3
mkdir -p /run/sshd /var/www "$directory/www" "$directory/home/.ssh" "$directory/tmp"
chmod 1777 "$directory/tmp"
cp "$directory/authorized_keys" "$directory/home/.ssh/authorized_keys"
# The hosts clone a repository that belongs to another account.
printf '[safe]\n\tdirectory = *\n' >"$directory/home/.gitconfig"
grep -v '^deploy:' /etc/passwd >"$directory/passwd"
grep -v '^deploy:' /etc/group >"$directory/group"
mkdir -p "$directory/base/deploy"
echo "deploy:*:2001:2001::/home/deploy:${LOGIN_SHELL:-/bin/sh}" >>"$directory/passwd"
echo 'deploy:x:2001:' >>"$directory/group"
chown -R 2001:2001 "$directory/www" "$directory/home"
chmod 700 "$directory/home" "$directory/home/.ssh"
mount --bind "$directory/passwd" /etc/passwd
mount --bind "$directory/group" /etc/group
mount --bind "$directory/base" /home
mount --bind "$directory/home" /home/deploy
mount --bind "$directory/www" /var/www
mount --bind "$directory/tmp" /tmp
exec /usr/sbin/sshd -D -e -f /dev/null -h "$directory/host_key" -o ListenAddress="$address" -o Port="$port" -o UsePAM=no \
  -o PidFile=none -o MaxStartups=500 -o MaxSessions=100 -o StrictModes=no -o LogLevel=ERROR ${1:+-o "SetEnv=$*"}
