#!/bin/sh
# A host: the SSH server that $SERVER names, with the keys that are in /fleet.
set -eu

key=/etc/host_key

main() {
  sed -i "s|:/bin/bash\$|:$LOGIN_SHELL|" /etc/passwd
  for user in deploy colleague; do let_in "$user"; done
  [ -z "${LIVE:-}" ] || make_by_hand "$LIVE"
  # A server that ends starts again, with the key that is there then.
  while :; do
    "serve_$SERVER" || echo "$SERVER ended with $?" >&2
    sleep 0.1
  done
}

let_in() {
  mkdir -p "/home/$1/.ssh"
  cp /fleet/authorized_keys "/home/$1/.ssh/authorized_keys"
  chown -R "$1:" "/home/$1/.ssh"
  chmod 700 "/home/$1/.ssh"
}

# make_by_hand TEXT: a release that nobody recorded is live, and TEXT is what the link says.
make_by_hand() {
  mkdir "/srv/www/$1"
  echo 'made by hand' >"/srv/www/$1/index.html"
  ln -s "$1" /srv/www/foo
  chown -hR deploy:www /srv/www/*
}

serve_openssh() {
  cp "/fleet/$(hostname)/host_key" $key
  chmod 600 $key
  /usr/sbin/sshd -D -e -f /dev/null -o HostKey=$key -o PidFile=/run/server.pid -o UsePAM=no \
    -o PasswordAuthentication=no -o LogLevel=FATAL
}

serve_dropbear() {
  dropbearconvert openssh dropbear "/fleet/$(hostname)/host_key" $key 2>/dev/null
  dropbear -F -s -r $key -P /run/server.pid -p 22
}

main
