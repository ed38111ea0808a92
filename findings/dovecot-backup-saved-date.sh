#!/bin/sh
# Software:  Debian's dovecot-core 2.3.19 (bookworm); 2.4.1 (trixie) does the same
# Behaviour: doveadm backup copies when a message was received (INTERNALDATE), and not when it came
#            into its folder (date.saved; SAVEDATE of RFC 8514): in the copy that is the time of the copy.
# Guess:     it is kept: the manual promises that no IMAP client can tell the copy from the original,
#            and SAVEDATE is seen by IMAP. Whoever removes old mail by "savedbefore" begins anew after
#            a restore.
# Seen:      received: the same
#            saved: another time
# Needs root, debootstrap and a Debian mirror that apt knows; some minutes. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d /var/tmp/finding.XXXXXX)
trap 'rm -rf --one-file-system "$folder"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -E '/debian/?$' | head -1)
debootstrap --variant=minbase --include=dovecot-core bookworm "$folder/root" "$mirror" \
    > "$folder/debootstrap.log" 2>&1
chmod 755 "$folder" "$folder/root"
printf '%s\n' 'log_path = /dev/null' 'mail_location = maildir:~/Maildir' 'ssl = no' \
    'mail_always_cache_fields = date.save' > "$folder/root/etc/dovecot/dovecot.conf"
mkdir -p "$folder/root/srv/box" "$folder/root/srv/copy"
chown -R 65534:65534 "$folder/root/srv"
doveadm_of() {
    home=$1
    shift
    chroot --userspec=65534:65534 "$folder/root" /usr/bin/env -i USER=ann HOME="/srv/$home" \
        /usr/bin/doveadm "$@"
}
compared() {
    [ "$(doveadm_of box fetch "$1" ALL)" = "$(doveadm_of copy fetch "$1" ALL)" ] &&
        echo "the same" || echo "another time"
}
printf 'Subject: one\n\ntext\n' | doveadm_of box save -m INBOX
sleep 2
doveadm_of box backup maildir:/srv/copy/Maildir
received=$(compared date.received)
saved=$(compared date.saved)
echo "received: $received"
echo "saved: $saved"
[ "$received, $saved" = "the same, another time" ] || {
    echo "The behaviour has changed."
    exit 1
}
