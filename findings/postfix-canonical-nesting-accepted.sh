#!/bin/sh
# Software:  Debian's postfix 3.7.11 (bookworm)
# Behaviour: sender_canonical_maps is asked again for what it answered, and if that is not there for
#            the same without its extension, which is put back into the answer. So an entry
#            "bounce@a.example  bounce+1@a.example" is applied ten times. Then the log warns
#            "unreasonable sender_canonical_maps map nesting ... -- message not accepted, try again
#            later"; but the client hears 250, and the message is delivered with nine tags.
# Guess:     as the log says: the client hears 4xx, nothing is queued.
# Seen:      warning: ...: unreasonable sender_canonical_maps map nesting for
#            bounce+1+1+1+1+1+1+1+1+1+1@a.example -- message not accepted, try again later
#            250 2.0.0 Ok: queued as ...
#            qmgr: from=<bounce+1+1+1+1+1+1+1+1+1+1@a.example>, ... (queue active)
# Needs root, debootstrap and a Debian mirror that apt knows; a minute. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d /var/tmp/finding.XXXXXX)
inside() {
    DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@"
}
stop() {
    inside postfix stop > /dev/null 2>&1 || true
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
inside apt-get -qq install -y --no-install-recommends postfix > "$folder/tmp/installed" 2>&1
cat > "$folder/etc/postfix/main.cf" <<'CONF'
compatibility_level = 3.6
maillog_file = /var/log/maillog
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
myhostname = mail.example
mydestination =
recipient_delimiter = +
default_transport = discard
sender_canonical_classes = envelope_sender
sender_canonical_maps = inline:{ bounce@a.example=bounce+1@a.example }
CONF
sed -i 's/^smtp  *inet /127.0.0.1:25259 inet /; s/^\(127.*inet  *n  *-  *\)y/\1n/' \
    "$folder/etc/postfix/master.cf"
inside postfix start > "$folder/tmp/started" 2>&1
sleep 2
inside smtp-source -v -f bounce@a.example -t joe@b.example 127.0.0.1:25259 \
    > "$folder/tmp/said" 2>&1 || true
sleep 2
grep -o 'warning: .*map nesting .*' "$folder/var/log/maillog"
grep -oE '250 2.0.0 Ok: queued as .*' "$folder/tmp/said"
grep -o 'qmgr.*(queue active)' "$folder/var/log/maillog"
grep -q 'from=<bounce+1+1+1+1+1+1+1+1+1+1@a.example>' "$folder/var/log/maillog"
