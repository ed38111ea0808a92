"""Run in ``odoo shell``: the plan of the feed's own query, as it runs for each key.

``EMBOUX_CURSORS``: key's number to the cursor of its last question, as JSON.  Prints one line of
JSON: key's number to the plan that PostgreSQL has just run.
"""

import json
import os

from odoo.tools import SQL

from odoo.addons.emboux_mail_api.models.change import _decode

plans = {}
for number, cursor in json.loads(os.environ["EMBOUX_CURSORS"]).items():
    key = env["emboux.api.key"].browse(int(number))  # noqa: F821 - the shell's
    changes = key.env["emboux.change"].with_user(key.user_id)
    _cluster, since, _upto, _after = _decode(cursor)
    [[now]] = changes.env.execute_query(SQL("SELECT pg_current_snapshot()::text"))
    query = changes._query(since, now, None, ("domain", "mailbox", "usage"), 201)
    [[plan]] = changes.env.execute_query(SQL("EXPLAIN (ANALYZE, FORMAT JSON) %s", query))
    plans[number] = plan[0]["Plan"]
print(json.dumps(plans))
