"""The purge of one domain as if it were another time: ``purge_at.py '{...}'``.

Started as root, it becomes the user who owns the mail.  The time is what mail's age is judged by;
all else is as ``odoo emboux_retention`` has it.
"""

import json
import os
import pwd
import sys
from datetime import UTC, datetime

from emboux_daemons.retention.doveadm import Dovecot
from emboux_daemons.retention.purge import Purge
from emboux_daemons.retention.store import Store

wish = json.loads(sys.argv[1])
owner = pwd.getpwnam(wish["user"])
os.initgroups(owner.pw_name, owner.pw_gid)
os.setgid(owner.pw_gid)
os.setuid(owner.pw_uid)
store = Store(wish["database"])
store.open()
moment = datetime.fromtimestamp(wish["now"], UTC)
purge = Purge(Dovecot(wish["config"]), store, clock=lambda: moment)
with store.alone():
    [tally] = purge.round(store.now(), wish["dry_run"], wish["domain"]).values()
store.close()
print(json.dumps([tally.found, tally.removed, tally.problems]))
