#!/bin/sh
# Software:  checkdmarc 6.0.4 (PyPI), a checker of SPF and DMARC records
# Behaviour: an SPF record that begins with V=SPF1 is a syntax error, while MX and -ALL in capitals
#            are read.
# Guess:     it is the same record: the version is a string of ABNF, which is case-insensitive
#            (RFC 7208 4.5 and 12, RFC 5234 2.3), and receivers such as pyspf take it so.
# Seen:      v=spf1 IP4:192.0.2.1 -ALL: read
#            V=SPF1 ip4:192.0.2.1 -all: SPFSyntaxError
# No DNS question is needed for either: no network but for the package. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check checkdmarc==6.0.4
cat > "$folder/ask.py" <<'PY'
from checkdmarc.spf import SPFError, parse_spf_record

said = []
for record in ("v=spf1 IP4:192.0.2.1 -ALL", "V=SPF1 ip4:192.0.2.1 -all"):
    try:
        parse_spf_record(record, "shop.example")
        said.append("read")
    except SPFError as error:
        said.append(type(error).__name__)
    print(f"{record}: {said[-1]}")
if said != ["read", "SPFSyntaxError"]:
    raise SystemExit("The behaviour has changed.")
PY
"$folder/venv/bin/python" "$folder/ask.py"
