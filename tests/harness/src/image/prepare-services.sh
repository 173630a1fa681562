set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -s /etc/passwd ] || cp /usr/share/base-passwd/passwd.master /etc/passwd
[ -s /etc/group ] || cp /usr/share/base-passwd/group.master /etc/group
touch /etc/shadow /etc/gshadow
chmod 640 /etc/shadow /etc/gshadow
mkdir -p /usr/local/bin /root/.ssh /run/sshd /run/postgresql /run/apache2 /var/log/nginx /var/lib/nginx /var/log/apache2 /var/www/html \
  /var/lib/postgresql /var/lib/redis
chmod 1777 /tmp
[ -e /var/run ] || ln -s /run /var/run
groupadd -g 999 postgres
useradd -r -u 999 -g 999 -d /var/lib/postgresql -s /bin/bash postgres
groupadd -g 998 sshd
useradd -r -u 998 -g 998 -d /run/sshd -s /usr/sbin/nologin sshd
ssh-keygen -A >/dev/null
ldconfig
chown postgres /var/lib/postgresql /run/postgresql
setpriv --reuid 999 --regid 999 --clear-groups /usr/lib/postgresql/15/bin/initdb \
  -D /var/lib/postgresql/data -A trust -E UTF8 --locale=C >/dev/null
echo 'host all all all trust' >> /var/lib/postgresql/data/pg_hba.conf
echo ok > /var/www/html/index.html
cat > /etc/nginx/nginx.conf <<'CONF'
user root;
worker_processes 1;
events {}
http { server { listen 80; location / { return 200 "ok\n"; } } }
CONF
cat > /etc/apache2/httpd.conf <<'CONF'
ServerName localhost
Listen 80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
PidFile /tmp/httpd.pid
ErrorLog /dev/stderr
DocumentRoot /var/www/html
CONF
# Two thirds of what Debian installs is of no use here.
rm -rf /usr/share/doc /usr/share/man /usr/share/locale /usr/share/i18n /usr/lib/postgresql/15/lib/bitcode \
  /usr/lib/postgresql/15/lib/llvmjit* /usr/lib/*-linux-gnu/libLLVM* /usr/lib/*-linux-gnu/libz3* /usr/lib/*-linux-gnu/perl* \
  /usr/share/perl* /var/cache/apt /var/lib/apt/lists
# Debian's alternatives, which only a configured package would set.
ln -sf nc.openbsd /bin/nc
