"""Runs in ``odoo shell`` for saas.py; prints one line of JSON.

Customers are made by Odoo, their domains and mailboxes are copies of one that Odoo made, made by
SQL: what is measured is how they are read and counted.
"""

import json
import os
import threading
import time
from datetime import timedelta
from unittest.mock import patch

from dateutil.relativedelta import relativedelta
from werkzeug.test import Client

import odoo
from odoo import fields
from odoo.tools import SQL

wish = json.loads(os.environ["EMBOUX_BENCH"])
env = globals()["env"]
today = fields.Date.today()
PASSWORD = "portal of the benchmark"  # noqa: S105
BOXES = 2  # in each domain
PREFIX = f"bench{int(time.time())}x"  # of all names, so that it may run again


def copies(table, template, sources, parameters, **expressions):
    """Insert copies of the row ``template`` (t), one for each row of ``sources``."""
    rows = env.execute_query(SQL(
        """SELECT column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name = %s AND column_name <> 'id'""", table))
    names = [name for [name] in rows]
    values = [expressions.get(name, f't."{name}"') for name in names]
    env.cr.execute(
        f"""INSERT INTO {table} ({", ".join(f'"{name}"' for name in names)})
            SELECT {", ".join(values)} FROM {table} t, {sources} AND t.id = {template}""",  # noqa: S608
        parameters)


def boxes(template, ids, count, prefix):
    """So many mailboxes in each of these domains."""
    copies("emboux_mailbox", template,
           "emboux_domain d, generate_series(1, %s) AS n WHERE d.id = ANY(%s)", [count, ids],
           domain_id="d.id", local_part=f"'{prefix}' || n",
           email=f"'{prefix}' || n || '@' || d.name",
           mail_folder=f"'{PREFIX}' || d.id || '{prefix}' || n")


def make():
    started = time.monotonic()
    if not env.company.chart_template:
        env["account.chart.template"].try_loading("generic_coa", env.company)
    product = env["product.product"].create({"name": "Email hosting", "type": "service"})
    plan = env["emboux.plan"].create(
        {"name": "Bench", "product_id": product.id, "trial_days": 0, "price": 10,
         "included_mailboxes": 10, "price_mailbox": 1, "included_thousands": 1,
         "price_thousand": 0.5})
    partners = env["res.partner"].create(
        [{"name": f"{PREFIX} {n}", "email": f"bench{n}@outside.example"}
         for n in range(wish["customers"])])
    customers = env["emboux.customer"].create(
        [{"partner_id": partner.id, "plan_id": plan.id} for partner in partners])
    month = today.replace(day=1) - relativedelta(months=1)
    customers.period_ids.since = month
    backend = env.ref("emboux_mail_api.backend_local")
    domain = env["emboux.domain"].create(
        {"name": f"{PREFIX}template.example", "backend_id": backend.id, "state": "verified",
         "partner_id": partners[0].id})
    box = env["emboux.mailbox"].create({"domain_id": domain.id, "local_part": "template"})
    env.flush_all()
    total = wish["customers"] * wish["domains"]
    # the first customer has one domain, all others have their ten
    copies("emboux_domain", domain.id, "generate_series(1, %s) AS n WHERE true",
           [total - wish["domains"]], name=f"'{PREFIX}' || n || '.example'",
           unicode_name=f"'{PREFIX}' || n || '.example'",
           partner_id=f"{partners[0].id} + 1 + (n - 1) / {wish['domains']}",
           token=f"'{PREFIX}' || n")
    env.cr.execute("SELECT id FROM emboux_domain WHERE name LIKE %s ORDER BY id", [f"{PREFIX}%"])
    ids = [number for [number] in env.cr.fetchall()]
    env.cr.execute("SELECT array_agg(id ORDER BY id) FROM res_partner WHERE id = ANY(%s)",
                   [partners.ids])
    assert env.cr.fetchone()[0] == list(range(partners[0].id, partners[0].id + len(partners)))
    boxes(box.id, ids, BOXES, "box")
    env["emboux.customer"].browse()._reconcile_counters()
    users = env["res.users"].with_context(no_reset_password=True).create(
        [{"name": f"Portal {n}", "login": f"{PREFIX}-{n}", "password": PASSWORD,
          "partner_id": partners[n].id,
          "group_ids": [(6, 0, [env.ref("base.group_portal").id])]} for n in (0, 1)])
    env.cr.commit()
    env.cr.execute("ANALYZE")
    env.cr.commit()
    return customers, users, time.monotonic() - started


# -- pages -----------------------------------------------------------------------------------


def statements_of(call):
    """The fewest statements, and ms of the fastest, of a few tries after a warm-up."""
    tries = [call() for _ in range(4)][1:]
    return [min(count for count, _ms in tries), min(ms for _count, ms in tries)]


class Portal:
    """Requests in this process, so that their statements can be counted."""

    def __init__(self, user):
        self.client = Client(odoo.http.root)
        self.place = {"REMOTE_ADDR": "127.0.0.1"}
        answer = self.client.post("/web/session/authenticate", environ_overrides=self.place, json={
            "jsonrpc": "2.0", "method": "call",
            "params": {"db": env.cr.dbname, "login": user.login, "password": PASSWORD}})
        assert answer.json["result"]["uid"] == user.id, answer.json

    def get(self, path):
        return self._count(lambda: self.client.get(path, environ_overrides=self.place))

    def card(self):
        """What the card on the home asks for once the page is there."""
        return self._count(lambda: self.client.post(
            "/my/counters", environ_overrides=self.place, json={
                "jsonrpc": "2.0", "method": "call",
                "params": {"counters": ["emboux_domain_count"]}}))

    def _count(self, ask):
        started = time.perf_counter()
        answer = ask()
        said = answer.json if answer.is_json else {}
        assert answer.status_code == 200 and "error" not in said, answer.text
        return threading.current_thread().query_count, 1000 * (time.perf_counter() - started)


def of_model(model, domain, fields_wanted, limit):
    def call():
        env.invalidate_all()
        before, started = env.cr.sql_log_count, time.perf_counter()
        env[model].web_search_read(domain, fields_wanted, limit=limit, count_limit=10001)
        return env.cr.sql_log_count - before, 1000 * (time.perf_counter() - started)

    return call


def of_groups(model, domain, by, sums):
    def call():
        env.invalidate_all()
        before, started = env.cr.sql_log_count, time.perf_counter()
        env[model].formatted_read_group(domain, by, sums)
        return env.cr.sql_log_count - before, 1000 * (time.perf_counter() - started)

    return call


def shown(model, view_type):
    """The fields that a view asks for, as its client does."""
    arch = env[model].get_views([(False, view_type)])["models"][model]["fields"]
    return {name: {} for name in arch if arch[name]["type"] not in ("one2many", "many2many")}


def pages(customers, users):
    seen = {}
    few, many = (Portal(user) for user in users)
    for path in ("/my/home", "/my/email", "/my/email/usage"):
        seen[f"portal {path}"] = [statements_of(lambda p=portal, path=path: p.get(path))
                                  for portal in (few, many)]
    seen["portal, the home's card"] = [statements_of(portal.card) for portal in (few, many)]
    form = shown("emboux.customer", "form")
    seen["operator: a customer's form"] = [
        statements_of(of_model("emboux.customer", [("id", "=", one.id)], form, 1))
        for one in customers[:2]]
    seen["operator: a customer's months"] = [
        statements_of(of_model("emboux.usage.month", [("customer_id", "=", one.id)],
                               shown("emboux.usage.month", "list"), 80))
        for one in customers[:2]]
    lists = [("customers", "emboux.customer"), ("usage by month", "emboux.usage.month")]
    if "emboux.customer.report" in env:
        lists.append(("dashboard, list", "emboux.customer.report"))
    for name, model in lists:
        wanted = shown(model, "list")
        seen[f"operator: {name}"] = [
            statements_of(of_model(model, [], wanted, limit)) for limit in (10, 80)]
    if "emboux.customer.report" in env:
        some = [("customer_id", "in", customers[:10].ids)]
        seen["operator: dashboard, pivot"] = [
            statements_of(of_groups("emboux.customer.report", domain, ["plan_id", "state"],
                                    ["__count", "mrr:sum", "mailboxes:sum"]))
            for domain in (some, [])]
    return seen


# -- nights ----------------------------------------------------------------------------------


def night(number):
    """The count on that day from now; returns (seconds, rows written)."""
    env.cr.execute("SELECT count(*) FROM emboux_usage")
    before = env.cr.fetchone()[0]
    with patch.object(fields.Date, "today", lambda *args: today + timedelta(number)):
        started = time.monotonic()
        env["emboux.usage"]._cron_count()
        seconds = time.monotonic() - started
    env.cr.execute("SELECT count(*) FROM emboux_usage")
    return seconds, env.cr.fetchone()[0] - before


def change(count, number):
    """A mailbox more in so many domains, and messages that they sent."""
    env.cr.execute(
        """SELECT array_agg(id) FROM (SELECT id FROM emboux_domain
            WHERE name LIKE %s ORDER BY id LIMIT %s) AS chosen""", [f"{PREFIX}%", count])
    [ids] = env.cr.fetchone()
    template = env["emboux.mailbox"].search([("email", "=like", f"template@{PREFIX}%")])
    boxes(template.id, ids, 1, f"more{number}x")
    env.cr.execute(
        """INSERT INTO emboux_mail.sent AS s (subject, at, in_day)
           SELECT id, %s, 40 FROM unnest(%s) AS id
               ON CONFLICT (subject) DO UPDATE SET at = excluded.at, in_day = excluded.in_day""",
        [f"{today + timedelta(number)} 01:00+00", ids])
    env.cr.commit()


def nights():
    night(0)  # all of it is new
    seen = []
    most = (wish["customers"] - 1) * wish["domains"]
    steps = sorted({min(count, most) for count in (0, 100, 1000, most)})
    for number, count in enumerate(steps, 1):
        if count:
            change(count, number)
        seen.append([count, *night(number)])
    return seen


def bills(customers):
    month = today.replace(day=1) - relativedelta(months=1)
    # somebody used something in that month
    env.cr.execute("UPDATE emboux_usage SET day = %s WHERE day = %s AND domain_name LIKE %s",
                   [month, today, f"{PREFIX}%"])
    env.cr.commit()
    seen = {}
    moves = env["account.move"]
    for key, made in (("s", "made"), ("again_s", "again_made")):
        before = moves.search_count([("emboux_month", "=", month)])
        started = time.monotonic()
        env["emboux.customer"]._cron_bill()
        seen[key] = time.monotonic() - started
        seen[made] = moves.search_count([("emboux_month", "=", month)]) - before
    return seen


env["ir.cron"].search([]).active = False  # nothing else runs meanwhile
env.cr.commit()
customers, users, made_s = make()
seen = {"made_s": made_s, "count": nights(), "pages": pages(customers, users),
        "bill": bills(customers), "mailboxes": env["emboux.mailbox"].search_count([])}
print(json.dumps(seen))
