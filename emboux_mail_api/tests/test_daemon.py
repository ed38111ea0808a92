# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The page *Hosts*: what is said of a daemon, and who is told when."""

import json
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..emboux_daemons.exposition import Counter, Gauge, Histogram, render
from ..emboux_daemons.rounds import BackOff
from ..emboux_daemons.store import NotAlone
from ..emboux_daemons.vitals import Vitals
from ..models.daemon import current_version
from .common import PlatformCase

HOST = "mail.unit.example"


@tagged("post_install", "-at_install")
class TestHosts(PlatformCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemons = cls.env["emboux.daemon"].sudo()
        cls.daemons.search([]).unlink()
        cls.admin = new_test_user(
            cls.env, "hosts", "emboux_core.group_admin", email="hosts@unit.example")

    def seen(self, name="queue", host=HOST, ago=0, **values):
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT emboux_mail.daemon_seen(%s, %s, %s, %s::timestamptz, %s, %s, %s, %s)",
            [name, host, values.get("version", current_version()),
             values.get("since", "2026-12-01 10:00+00"), values.get("problem"),
             values.get("standby", False), json.dumps(values.get("figures", {})),
             values.get("ended", False)])
        self.env.invalidate_all()
        row = self.daemons.search([("name", "=", name), ("host", "=", host)])
        back = fields.Datetime.now() - timedelta(minutes=ago)
        if ago:
            row.write({"seen_at": back, "problem_since": row.problem_since and back,
                       "ended_at": row.ended_at and back})
        return row

    def test_what_is_said_of_each_state(self):
        queue = self.seen(figures={"waiting": 12, "held": 3})
        self.assertEqual((queue.state, queue.trouble, queue.remedy), ("well", False, False))
        self.assertEqual(queue.doing, "Waiting: 12. On hold: 3")
        self.assertEqual(queue.display_name, f"Mail Queue on {HOST}")
        for values, state, trouble, remedy in (
            ({"problem": "postqueue took more than 60 s"}, "trouble",
             "postqueue took more than 60 s.", "journalctl -u emboux-queue"),
            ({"version": "19.0.0.0.1"}, "outdated", "runs version 19.0.0.0.1",
             "systemctl restart emboux-queue"),
            ({"ended": True}, "ended", "It was stopped", "systemctl restart emboux-queue"),
            ({"ago": 3}, "away", "no mail is held", f"On {HOST}: systemctl restart"),
        ):
            row = self.seen(**values)
            self.assertEqual(row, queue)
            self.assertEqual(row.state, state)
            self.assertIn(trouble, row.trouble)
            self.assertIn(remedy, row.remedy)
            self.assertEqual(self.daemons.search([("state", "=", state)]), row)
        self.assertEqual(self.seen().state, "well")
        self.assertIn("second", queue.seen_ago)

    def test_one_that_waits_says_nothing_for_the_one_that_works(self):
        row = self.seen("webhooks")
        other = "2026-12-01 11:00+00"
        self.seen("webhooks", standby=True, ended=True, since=other)
        self.assertEqual(row.state, "well")
        self.assertEqual(self.seen("webhooks", standby=True).state, "standby", "of itself it does")
        self.seen("webhooks")
        row.seen_at = fields.Datetime.now() - timedelta(minutes=5)
        self.assertEqual(self.seen("webhooks", standby=True, since=other).state, "standby")

    def test_a_problem_is_dated_from_its_beginning(self):
        row = self.seen(problem="one", ago=10)
        since = row.problem_since
        self.assertEqual(self.seen(problem="another").problem_since, since)
        self.assertFalse(self.seen().problem_since)

    def test_a_mail_server_that_is_gone_is_not_missed(self):
        agents = self.env["emboux.queue.agent"].sudo()
        agent = agents.create({"name": HOST, "seen_at": fields.Datetime.now()})
        other = agents.create({"name": "b.unit.example", "seen_at": fields.Datetime.now()})
        self.seen("policy").with_user(self.admin).unlink()
        self.assertTrue(agent.exists())
        self.seen("queue").with_user(self.admin).unlink()
        self.assertEqual((agent | other).exists(), other)

    def test_whose_page_it_is(self):
        row = self.seen()
        row.with_user(self.admin).read(["state", "advice"])
        manager = new_test_user(self.env, "hosts-manager", "emboux_core.group_manager")
        with self.assertRaises(AccessError):
            row.with_user(manager).read(["state"])
        for user in (self.admin, manager):
            with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
                row.with_user(user).write({"host": "x"})

    # -- telling ---------------------------------------------------------------------------

    def told(self, rows):
        return rows.message_ids.filtered("subject").sorted("id").mapped("subject")

    def tell(self):
        self.daemons._tell_of_host(HOST)

    def test_administrators_are_told_once_and_when_it_is_well_again(self):
        rows = self.seen("queue", ago=3) | self.seen("policy", problem="away", ago=0)
        self.tell()
        self.assertFalse(self.told(rows), "not at once")
        self.seen("queue", ago=6)
        self.seen("policy", problem="PostgreSQL is away.").problem_since -= timedelta(minutes=6)
        self.tell()
        self.tell()
        self.assertEqual(self.told(rows), [f"{HOST} is in trouble"], "one for both")
        message = rows.message_ids.filtered("subject")
        self.assertIn(self.admin.partner_id, message.notified_partner_ids)
        for text in ("Mail Queue", "Sending Policy", "PostgreSQL is away.", "systemctl"):
            self.assertIn(text, message.body)
        self.seen("queue")
        self.tell()
        self.seen("policy")
        self.tell()
        self.tell()
        said = rows.message_ids.filtered("subject").sorted("id")
        self.assertEqual(said.mapped("subject")[1:], [f"{HOST} is well again"] * 2)
        self.assertIn("Still in trouble: Sending Policy.", said[1].body)
        self.assertNotIn("Still", said[2].body)

    def test_nobody_is_told_where_that_is_switched_off(self):
        self.env["ir.config_parameter"].set_param("emboux_mail_api.daemon_away_minutes", "0")
        rows = self.seen(ago=60)
        self.tell()
        self.assertFalse(self.told(rows))

    def test_what_is_needed_and_runs_nowhere(self):
        needed = {"policy": "SELECT 1", "webhooks": "SELECT 1 WHERE false"}
        with patch("odoo.addons.emboux_mail_api.models.daemon_watch._NEEDED", needed):
            self.daemons._find_missing()
            self.daemons._find_missing()
            row = self.daemons.search([])
            self.assertEqual((row.name, row.state, row.host), ("policy", "never", False))
            self.assertIn("odoo emboux_policy", row.remedy)
            self.seen("policy")
            self.daemons._find_missing()
            self.assertEqual(self.daemons.search([]).mapped("host"), [HOST])

    def test_odoo_says_of_itself_which_jobs_fail(self):
        self.daemons._say_own()
        row = self.daemons.search([("name", "=", "odoo")])
        job = self.env.ref("emboux_core.ir_cron_check_dns")
        self.env["ir.cron"].sudo().search([]).nextcall = fields.Datetime.now()
        self.daemons._say_own()
        self.assertEqual(row.state, "well", row.problem)
        job.failure_count = 2
        self.daemons._say_own()
        self.assertEqual(row.state, "trouble")
        self.assertIn("Check DNS", row.trouble)
        job.write({"failure_count": 0, "nextcall": fields.Datetime.now() - timedelta(hours=1)})
        self.daemons._say_own()
        self.assertIn("are late", row.trouble)

    def test_the_numbers_are_few_and_nobodys(self):
        self.seen()
        self.make_domain("numbers.example")
        text = render(self.env["emboux.monitor"].sudo()._families()).decode()
        self.assertIn(f'emboux_host_trouble{{daemon="queue",host="{HOST}"}} 0.0', text)
        self.assertIn('emboux_waiting{what="dns_checks"}', text)
        self.assertNotIn("numbers.example", text)


@tagged("post_install", "-at_install")
class TestVitals(TransactionCase):
    """What a daemon knows of itself, without one."""

    def setUp(self):
        super().setUp()
        self.vitals = Vitals("queue", HOST, "1", patience=10)

    def test_a_back_off_tells_how_it_goes(self):
        back_off = BackOff(1, 2, vitals=self.vitals)
        back_off.failed(OSError("no\nroute"))
        self.assertEqual((self.vitals.problem, self.vitals.is_standby), ("no route", False))
        back_off.failed(NotAlone("another one"))
        self.assertEqual((self.vitals.problem, self.vitals.is_standby), (None, True))
        back_off.worked()
        self.assertEqual((self.vitals.problem, self.vitals.is_standby), (None, False))

    def test_one_that_hangs_is_found_out(self):
        with patch("odoo.addons.emboux_mail_api.emboux_daemons.vitals.time") as clock:
            clock.monotonic.return_value = 1000.0
            self.vitals.worked()
            clock.monotonic.return_value = 1009.0
            self.assertIsNone(self.vitals.problem)
            clock.monotonic.return_value = 1012.0
            self.assertIn("not got on for 12 seconds", self.vitals.problem)
            self.vitals.lives(pause=3600)
            clock.monotonic.return_value = 4600.0
            self.assertIsNone(self.vitals.problem, "it sleeps, as it said")

    def test_a_warning_is_shown_and_stops_nothing(self):
        self.vitals.reports(warn=lambda: "A certificate ends.")
        self.assertIsNone(self.vitals.problem)
        self.assertEqual(self.vitals.trouble, "A certificate ends.")

    def test_the_text_format(self):
        counter = Counter("c_total", 'A "c"\\\n.', "l", known=[("a",)])
        counter.add('b"\\\n', by=2)
        gauge = Gauge("g", "G.")
        gauge.set(1.5)
        histogram = Histogram("h", "H.", (0.1, 1.0))
        for seconds in (0.05, 0.1, 0.5, 7):
            histogram.observe(seconds)
        self.assertEqual(render([c.family() for c in (counter, gauge, histogram)]).decode(), (
            '# HELP c_total A "c"\\\\\\n.\n# TYPE c_total counter\n'
            'c_total{l="a"} 0.0\nc_total{l="b\\"\\\\\\n"} 2.0\n'
            "# HELP g G.\n# TYPE g gauge\ng 1.5\n"
            "# HELP h H.\n# TYPE h histogram\n"
            'h_bucket{le="0.1"} 2.0\nh_bucket{le="1.0"} 3.0\nh_bucket{le="+Inf"} 4.0\n'
            "h_sum 7.65\nh_count 4.0\n"))
