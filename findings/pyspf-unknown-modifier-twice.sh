#!/bin/sh
# Software:  pyspf 2.0.14 (PyPI), a receiver's SPF check in Python
# Behaviour: an unknown modifier that stands twice in a record is a permerror.
# Guess:     it is ignored: "Unrecognized modifiers MUST be ignored no matter where, or how often,
#            they appear in a record" (RFC 7208 section 6); only redirect= and exp= may not repeat.
# Seen:      once:  pass
#            twice: permerror
# A record is handed over as text and DNS is answered by nobody: no network but for the package.
# Fails when the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspf==2.0.14 dnspython==2.9.2
cat > "$folder/ask.py" <<'PY'
import spf

spf.DNSLookup = lambda *_question: []
said = {}
for label, record in (
    ("once", "v=spf1 x-note=1 ip4:192.0.2.1 -all"),
    ("twice", "v=spf1 x-note=1 x-note=2 ip4:192.0.2.1 -all"),
):
    said[label] = spf.query("192.0.2.1", "anna@shop.example", "mail.shop.example").check(record)[0]
    print(f"{label + ':':6} {said[label]}")
if said != {"once": "pass", "twice": "permerror"}:
    raise SystemExit("The behaviour has changed.")
PY
"$folder/venv/bin/python" "$folder/ask.py"
