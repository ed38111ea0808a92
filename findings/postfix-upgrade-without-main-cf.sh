#!/bin/sh
# Software:  Debian's postfix 3.7.11 (bookworm), upgraded to 3.10 (trixie)
# Behaviour: a Postfix that was installed with "No configuration" (debconf's
#            postfix/main_mailer_type) has no /etc/postfix/main.cf, as was asked for. Its upgrade to
#            Debian 13 fails, and with it the upgrade of the system: "dpkg: error processing package
#            postfix", until there is such a file, be it empty.
# Guess:     who asked for no configuration gets none at the upgrade either, and goes on.
# Seen:      postconf: fatal: open /etc/postfix/main.cf for reading: No such file or directory
#            installed postfix package post-installation script subprocess returned error exit status 1
#            with an empty file: configured
# Needs root, debootstrap and a Debian mirror that apt knows; some minutes. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d /var/tmp/finding.XXXXXX)
trap 'umount "$folder/proc" 2>/dev/null || true; rm -rf --one-file-system "$folder"' EXIT
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -E '/debian/?$' | head -1)
debootstrap --variant=minbase bookworm "$folder" "$mirror" > "$folder.log" 2>&1
mv "$folder.log" "$folder/tmp/debootstrap.log"
mount -t proc proc "$folder/proc"
printf '#!/bin/sh\nexit 101\n' > "$folder/usr/sbin/policy-rc.d"
chmod 755 "$folder/usr/sbin/policy-rc.d"
inside() {
    DEBIAN_FRONTEND=noninteractive chroot "$folder" "$@" > "$folder/tmp/said" 2>&1
}
echo 'postfix postfix/main_mailer_type select No configuration' > "$folder/tmp/answers"
inside debconf-set-selections /tmp/answers
inside apt-get -qq update
inside apt-get -qq install -y --no-install-recommends postfix
if [ -e "$folder/etc/postfix/main.cf" ]; then
    echo "The behaviour has changed: there is a main.cf."
    exit 1
fi
sed -i s/bookworm/trixie/g "$folder/etc/apt/sources.list"
inside apt-get -qq update
if inside apt-get -qq install -y --no-install-recommends postfix; then
    echo "The behaviour has changed: it is upgraded."
    exit 1
fi
grep -E 'postconf: fatal|post-installation script' "$folder/tmp/said"
touch "$folder/etc/postfix/main.cf"
inside dpkg --configure -a
echo "with an empty file: configured"
