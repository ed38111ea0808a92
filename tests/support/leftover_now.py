"""Deletes the mail of deleted mailboxes now: ``leftover_now.py '{...}'``.

Beside the world's own purge, which sleeps until its hour: with the same role, as the same user.
"""

import json
import sys

import psycopg2

from support.plain_mail_api.retention.leftover import remove
from support.plain_mail_api.retention.store import Store

wish = json.loads(sys.argv[1])
store = Store(wish["database"])
store._connection = psycopg2.connect(**wish["database"])
store._connection.autocommit = True
print(json.dumps(remove(wish["root"], store)))
