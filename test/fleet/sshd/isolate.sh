#!/bin/sh
# Runs a command as a host of its own on this machine: /srv, /home, /tmp, the accounts and the names of other hosts are
# what is in DIRECTORY, and /run is empty. Needs root and a private mount namespace.
# isolate.sh DIRECTORY LOGIN_SHELL COMMAND...; DIRECTORY has authorized_keys, hosts and srv/bin already.
set -eu

main() {
  directory=$1 shell=$2
  shift 2
  make_accounts
  make_srv
  for file in passwd group hosts; do mount --bind "$directory/$file" "/etc/$file"; done
  mount -t tmpfs run /run
  mkdir -m 755 /run/sshd
  for own in srv home; do mount --rbind "$directory/$own" "/$own"; done
  # The last one: the directory may be below /tmp.
  mount --bind "$directory/tmp" /tmp
  exec "$@"
}

make_accounts() {
  grep -v '^\(deploy\|colleague\):' /etc/passwd >"$directory/passwd"
  grep -v '^\(www\|deploy\|colleague\):' /etc/group >"$directory/group"
  echo 'www:x:2000:deploy,colleague' >>"$directory/group"
  for account in deploy:2001 colleague:2002; do
    user=${account%:*} id=${account#*:}
    echo "$user:*:$id:$id::/home/$user:$shell" >>"$directory/passwd"
    echo "$user:x:$id:" >>"$directory/group"
    home=$directory/home/$user
    mkdir -p "$home/.ssh"
    cp "$directory/authorized_keys" "$home/.ssh/authorized_keys"
    chown -R "$id:$id" "$home"
    chmod 700 "$home" "$home/.ssh"
  done
  mkdir -p "$directory/tmp"
  chmod 1777 "$directory/tmp"
}

make_srv() {
  for place in www full readonly foreign; do mkdir -p "$directory/srv/$place"; done
  chgrp 2000 "$directory/srv/www"
  chmod 2775 "$directory/srv/www"
  mount -t tmpfs -o size=2m,mode=2775,gid=2000 full "$directory/srv/full"
  mount -t tmpfs -o ro readonly "$directory/srv/readonly"
}

main "$@"
