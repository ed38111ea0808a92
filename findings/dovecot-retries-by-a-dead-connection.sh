#!/bin/sh
# Software:  Debian's dovecot-pgsql 2.3.19 (bookworm), with PostgreSQL 15
# Behaviour: Dovecot keeps one connection to the database more than it needed at the same time. After
#            PostgreSQL has crashed and is back, a query that fails by a dead one is tried once more,
#            by another that is dead too: the look-up fails (mail is deferred, a log-in refused)
#            although the database answers. Each such look-up uses up two of them.
# Guess:     the second try opens a new connection, so that nobody notices.
# Seen:      after one look-up at a time: failed, found, found
#            after three at a time:       failed, failed, found
# Needs root, debootstrap and a Debian mirror that apt knows; some minutes. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d /var/tmp/finding.XXXXXX)
inside() {
    DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@"
}
stop() {
    inside doveadm stop > /dev/null 2>&1 || true
    inside pg_ctlcluster 15 main stop -m immediate > /dev/null 2>&1 || true
    sleep 1
    umount -l "$folder/proc" "$folder/dev" 2>/dev/null || true
    rm -rf --one-file-system "$folder"
}
trap stop EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -E '/debian/?$' | head -1)
debootstrap --variant=minbase bookworm "$folder" "$mirror" > "$folder.log" 2>&1
mv "$folder.log" "$folder/tmp/debootstrap.log"
chmod 755 "$folder"
mount -t proc proc "$folder/proc"
mount --bind /dev "$folder/dev"
printf '#!/bin/sh\nexit 101\n' > "$folder/usr/sbin/policy-rc.d"
chmod 755 "$folder/usr/sbin/policy-rc.d"
inside apt-get -qq install -y --no-install-recommends dovecot-core dovecot-pgsql postgresql \
    > "$folder/tmp/installed" 2>&1
[ ! -d "$folder/etc/postgresql/15/main" ] || inside pg_dropcluster 15 main
inside pg_createcluster --port 54329 --locale C.UTF-8 15 main > "$folder/tmp/created"
inside pg_ctlcluster 15 main start
ask() {
    inside su postgres -c "psql -qAt -p 54329 -c \"$1\""
}
ask "CREATE ROLE mail LOGIN PASSWORD 'mail'"
cat > "$folder/etc/dovecot/dovecot.conf" <<'CONF'
protocols =
listen = 127.0.0.1
ssl = no
log_path = /tmp/dovecot.log
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = sql
  args = /etc/dovecot/sql.conf
}
CONF
# a look-up of "slow..." takes a second, so that several need a connection each
cat > "$folder/etc/dovecot/sql.conf" <<'CONF'
driver = pgsql
connect = host=127.0.0.1 port=54329 dbname=postgres user=mail password=mail
user_query = SELECT 65534 AS uid, 65534 AS gid, '/tmp' AS home FROM \
  (SELECT CASE WHEN '%u' LIKE 'slow%%' THEN pg_sleep(1) END) AS waited
CONF
crash() {
    kill -9 "$(ask "SELECT pid FROM pg_stat_activity WHERE usename = 'mail' LIMIT 1")"
    sleep 0.5
    until ask "SELECT 1" > /dev/null 2>&1; do sleep 0.2; done
}
said=""
for together in 1 3; do
    inside dovecot
    sleep 1
    for number in $(seq "$together"); do
        inside doveadm user "slow$number" > /dev/null &
    done
    wait
    crash
    line=""
    for _try in 1 2 3; do
        line="$line $(inside doveadm user ann > /dev/null 2>&1 && echo found || echo failed)"
    done
    echo "after $together at a time:$line"
    said="$said$line;"
    inside doveadm stop
    sleep 1
done
[ "$said" = " failed found found; failed failed found;" ] || {
    echo "The behaviour has changed."
    exit 1
}
