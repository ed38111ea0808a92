#!/bin/sh
# Software:  publicsuffixlist 1.1.2.20261023 (PyPI), the Public Suffix List for Python
# Behaviour: an IPv4 address is taken for a name: its "registered domain" are its last two numbers,
#            the same for hosts of unrelated networks.
# Guess:     None, as for a name that has no registered domain: the list and its algorithm are of
#            domain names. Mail servers log a host without reverse DNS by its address, so whoever
#            counts by receiver meets such.
# Seen:      203.0.113.25:  113.25
#            198.51.113.25: 113.25
# Fails when the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    publicsuffixlist==1.1.2.20261023
"$folder/venv/bin/python" - <<'PY'
from publicsuffixlist import PublicSuffixList

seen = {host: PublicSuffixList().privatesuffix(host) for host in ("203.0.113.25", "198.51.113.25")}
for host, domain in seen.items():
    print(f"{host + ':':14} {domain}")
if set(seen.values()) != {"113.25"}:
    raise SystemExit("The behaviour has changed.")
PY
