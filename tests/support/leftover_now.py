"""Deletes the mail of deleted mailboxes now: ``leftover_now.py '{...}'``.

Beside the world's own purge, which sleeps until its hour: with the same role, as the same user,
whom it becomes as root.
"""

import json
import os
import pwd
import sys

from emboux_daemons.retention.leftover import remove
from emboux_daemons.retention.store import Store

wish = json.loads(sys.argv[1])
owner = pwd.getpwnam(wish["user"])
os.initgroups(owner.pw_name, owner.pw_gid)
os.setgid(owner.pw_gid)
os.setuid(owner.pw_uid)
store = Store(wish["database"])
store.open()
print(json.dumps(remove(wish["root"], store)))
