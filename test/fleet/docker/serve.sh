# The one process of a host: the SSH server that $SERVER names. The keys are in /fleet.
set -eu

sed -i "s|:/bin/bash\$|:$LOGIN_SHELL|" /etc/passwd
for user in deploy colleague; do
  mkdir -p "/home/$user/.ssh"
  cp /fleet/authorized_keys "/home/$user/.ssh/authorized_keys"
  chown -R "$user:" "/home/$user"
  chmod 700 "/home/$user/.ssh"
done

if [ -n "${LIVE:-}" ]; then
  mkdir "/srv/www/$LIVE"
  echo 'made by hand' >"/srv/www/$LIVE/index.html"
  ln -s "$LIVE" /srv/www/foo
  chown -hR deploy:www /srv/www/*
fi

given=/fleet/$(hostname)/host_key
own=/etc/host_key
case $SERVER in
  openssh)
    cp "$given" $own
    chmod 600 $own
    exec /usr/sbin/sshd -D -e -f /dev/null -o HostKey=$own -o UsePAM=no -o PasswordAuthentication=no \
      -o MaxStartups=100 -o LogLevel=ERROR -o SetEnv=PATH=/srv/bin:/usr/bin:/bin ;;
  dropbear)
    dropbearconvert openssh dropbear "$given" $own
    exec dropbear -F -E -s -r $own -p 22 ;;
esac
