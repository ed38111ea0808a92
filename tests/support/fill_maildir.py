"""Puts messages into a mailbox' folders: ``fill_maildir.py MAILDIR '{"": 10, "Trash": 5}' TAG``."""

import json
import os
import sys
from pathlib import Path

maildir, counts, tag = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
owner = maildir.stat()
text = "From: a@outside.example\nTo: b@inside.example\nSubject: {}\n\nHello.\n"
for folder, count in counts.items():
    place = maildir / f".{folder}" if folder else maildir
    for number in range(count):
        body = text.format(f"{tag} {number}")
        name = f"1500000000.M{number}P{tag}.tests,S={len(body)},W={len(body) + 5}:2,S"
        path = place / "cur" / name
        path.write_text(body)
        os.chown(path, owner.st_uid, owner.st_gid)
