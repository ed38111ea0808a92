#!/bin/sh
# Software:  pyspf 2.0.14 (PyPI), a receiver's SPF check in Python
# Behaviour: REDIRECT= in capitals is taken for an unknown modifier and ignored: neutral instead of
#            what the other domain's record says; redirect= beside REDIRECT= is no repetition.
# Guess:     names of modifiers are case-insensitive (RFC 7208 4.6.1), as those of mechanisms,
#            which pyspf does fold.
# Seen:      v=spf1 redirect=_spf.shop.example: pass
#            v=spf1 REDIRECT=_spf.shop.example: neutral
#            v=spf1 A -ALL: pass
# DNS is played by pyspf's own hook: no network but for the package. Fails when the behaviour
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspf==2.0.14 dnspython==2.9.2
cat > "$folder/ask.py" <<'PY'
import spf

DNS = {
    ("_spf.shop.example", "TXT"): (b"v=spf1 ip4:192.0.2.1 -all",),
    ("shop.example", "A"): "192.0.2.1",
}
spf.DNSLookup = lambda name, rdtype, *_rest: [
    (key, data) for key, data in DNS.items() if key == (name, rdtype)
]
said = []
for record in (
    "v=spf1 redirect=_spf.shop.example",
    "v=spf1 REDIRECT=_spf.shop.example",
    "v=spf1 A -ALL",
):
    query = spf.query("192.0.2.1", "anna@shop.example", "mail.shop.example")
    said.append(query.check(record)[0])
    print(f"{record}: {said[-1]}")
if said != ["pass", "neutral", "pass"]:
    raise SystemExit("The behaviour has changed.")
PY
"$folder/venv/bin/python" "$folder/ask.py"
