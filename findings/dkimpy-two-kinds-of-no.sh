#!/bin/sh
# Software:  dkimpy 1.1.8 (PyPI), DKIM for Python
# Behaviour: DKIM.verify() has two ways to say that a signature is not good: of a message whose header
#            was changed, and of one whose key is not in the DNS, it returns False; of one whose
#            body was changed it raises ValidationError, the error of a malformed signature.
# Guess:     False for both changes, which are one result to RFC 6376 (3.9, PERMFAIL) and RFC 8601
#            ("fail"), and an error for what cannot be verified: a malformed signature, or no key
#            ("permerror"). Whoever maps False to fail and errors to permerror reports a changed body
#            as permerror and a missing key as fail.
# Seen:      as signed:      True
#            other subject:  False
#            no key:         False
#            other body:     ValidationError: body hash mismatch (got b'...', expected b'...')
# Fails when the behaviour changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    dkimpy==1.1.8 cryptography==50.0.2
"$folder/venv/bin/python" - <<'PY'
import base64

import dkim
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import rsa

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
private = key.private_bytes(
    form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption())
public = base64.b64encode(key.public_key().public_bytes(
    form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo))
message = (b"From: ann@acme.example\r\nTo: joe@far.example\r\nSubject: Hello\r\n\r\nOne line.\r\n")
signed = dkim.sign(message, b"s1", b"acme.example", private) + message


def said(raw, record=b"v=DKIM1; k=rsa; p=" + public):
    try:
        return str(dkim.DKIM(raw).verify(dnsfunc=lambda name, timeout=5: record))
    except dkim.DKIMException as error:
        return f"{type(error).__name__}: {error}"


seen = {
    "as signed": said(signed), "other subject": said(signed.replace(b"Hello", b"Hallo")),
    "no key": said(signed, None), "other body": said(signed.replace(b"One line", b"A line")),
}
for what, verdict in seen.items():
    print(f"{what + ':':15} {verdict}")
if (list(seen.values())[:3] != ["True", "False", "False"]
        or not seen["other body"].startswith("ValidationError: body hash mismatch")):
    raise SystemExit("The behaviour has changed.")
PY
