#!/bin/sh
# Software:  Debian's dovecot-core 2.3.19 (bookworm)
# Behaviour: doveadm backup into a Maildir that it made itself, where a number (UID) in the inbox is
#            another message by now: it deletes what is in the copy's inbox, says that INBOX cannot
#            be deleted, and ends with 65; so does each run after it, and the inbox stays empty.
# Guess:     the copy becomes as the original is, as doveadm-backup(1) says of a copy that has changed.
#            A mailbox that was restored from an older copy, and got mail since, is such a case.
# Seen:      first run: 0, 2 messages in the copy
#            after another message 2: 65, 0 messages in the copy
#            once more: 65, 0 messages in the copy
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
printf 'log_path = /dev/null\nmail_location = maildir:~/Maildir\nssl = no\n' \
    > "$folder/root/etc/dovecot/dovecot.conf"
mkdir -p "$folder/root/srv/box" "$folder/root/srv/copy"
chown -R 65534:65534 "$folder/root/srv"
doveadm_of() {
    home=$1
    shift
    chroot --userspec=65534:65534 "$folder/root" /usr/bin/env -i USER=ann HOME="/srv/$home" \
        /usr/bin/doveadm "$@"
}
save() {
    printf 'Subject: %s\n\ntext\n' "$1" | doveadm_of box save -m INBOX
}
said=""
backup() {
    code=0
    doveadm_of box backup maildir:/srv/copy/Maildir || code=$?
    count=$(doveadm_of copy search mailbox INBOX ALL | wc -l)
    echo "$1: $code, $count messages in the copy"
    said="$said $code/$count"
}
save one
cp -a "$folder/root/srv/box" "$folder/root/srv/older"
save two
backup "first run"
rm -rf "$folder/root/srv/box"
cp -a "$folder/root/srv/older" "$folder/root/srv/box"
save another
backup "after another message 2"
backup "once more"
[ "$said" = " 0/2 65/0 65/0" ] || {
    echo "The behaviour has changed."
    exit 1
}
