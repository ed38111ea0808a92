#!/bin/sh
# Software:  Python's email package with policy.SMTP (so too Odoo 19's mail gateway, which reads mail
#            by it): 3.11.2 of Debian 12, 3.11.7, 3.12.1, 3.13.0.
# Guessed:   message["Message-ID"] gives what stands in the header, valid or not, as it does for an
#            unstructured one; a server may compare it with those that it has seen.
# Seen:      a Message-ID with a letter that RFC 5322 does not allow there is cut off at it, so that
#            "<Re:1@x.example>" and "<Re:2@x.example>" are both "<Re"; the defects are noted, the
#            string has no sign of them.  Whoever drops duplicates drops mail.  (Before 3.13 one that
#            begins with "[" raises IndexError instead.)
set -eu
seen=$(python3 - <<'PY'
import email, email.policy
def read(number):
    raw = f"Message-ID: {number}\r\nSubject: x\r\n\r\n.".encode()
    return str(email.message_from_bytes(raw, policy=email.policy.SMTP)["Message-ID"])
print(read("<Re:1@x.example>"), read("<Re:2@x.example>"), read("<a,b@x.example>"))
PY
)
echo "$seen"
[ "$seen" = "<Re <Re <a" ]
