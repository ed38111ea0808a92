# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Who may write on the chatter of our records, by whichever way Odoo offers."""

import inspect
import json
import threading

from odoo.exceptions import AccessError
from odoo.service.model import call_kw, get_public_method
from odoo.tests import JsonRpcException, new_test_user, tagged
from odoo.tools import mute_logger

from .portal_case import PortalCase

#: What posting, subscribing, notifying or scheduling leaves behind.
TRACES = (
    "mail.message", "mail.mail", "mail.notification", "mail.followers", "mail.activity",
    "mail.scheduled.message", "mail.message.schedule", "mail.message.reaction",
    "mail.compose.message", "ir.attachment", "rating.rating", "sms.sms",
)
#: Addresses under which Odoo writes on threads, or something like it.
ROUTES = ("/mail/", "/portal/", "/rate/", "/rating/", "/sms/", "/snailmail")


@tagged("post_install", "-at_install")
class TestThreadRoles(PortalCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.outsider = cls.env["res.partner"].create(
            {"name": "Outsider", "email": "victim@outside.example"}
        )
        # the worst case: they follow all that is theirs, and staff have written to them there
        cls.records = [cls.acme.domain, cls.acme.mailbox, cls.acme.alias, cls.acme.key,
                       cls.acme.customer, cls.plan, cls.backend]
        cls.said, cls.answered = {}, {}
        for record in cls.records:
            record.message_subscribe(cls.acme.partner.ids)
            cls.said[record] = record.message_post(
                body="Hello", message_type="comment", subtype_xmlid="mail.mt_comment",
                partner_ids=cls.acme.partner.ids,
            )
            cls.answered[record] = record.sudo().message_post(
                body="Their own", message_type="comment", subtype_xmlid="mail.mt_comment",
                author_id=cls.acme.partner.id,
            )
        cls.customers = {
            "portal customer": cls.acme.user,
            "API user of a customer": cls.acme.key.sudo().with_context(active_test=False).user_id,
        }
        cls.staff = {
            name: new_test_user(cls.env, f"thread_{name}", groups=f"emboux_core.group_{name}",
                                email=f"{name}@operator.example")
            for name in ("user", "manager", "admin")
        }
        cls.staff["admin"].group_ids += cls.env.ref("base.group_system")

    def setUp(self):
        super().setUp()
        thread = threading.current_thread()
        if not hasattr(thread, "dbname"):  # Odoo's own test runner sets it
            thread.dbname = self.env.cr.dbname
            self.addCleanup(delattr, thread, "dbname")

    def _traces(self):
        self.env.flush_all()
        return {
            name: self.env[name].sudo().with_context(active_test=False).search_count([])
            for name in TRACES if name in self.env
        }

    def _methods(self, record):
        """Whatever the mixins offer to be called from outside, of every add-on installed."""
        base = self.env.registry["base"]
        names = {
            name
            for mixin in ("mail.thread", "mail.activity.mixin")
            for one in self.env.registry[mixin].__mro__
            for name, value in vars(one).items()
            if inspect.isfunction(value) and not name.startswith("_") and not hasattr(base, name)
        }
        found = []
        for name in sorted(names):
            try:
                found.append((name, get_public_method(record, name)))
            except (AccessError, AttributeError):
                continue  # private, or not of this model
        return found

    def _arguments(self, method, record):
        """Something that fits each parameter, by its name; an unknown one has to be taught."""
        template = self.env["mail.template"].search([], limit=1)
        known = {
            "self": None, "kwargs": None, "args": None, "act_values": None,
            "body": "Buy now", "subject": "Buy now", "note": "Buy now", "summary": "Buy now",
            "feedback": "Buy now", "message_type": "comment",
            "subtype_xmlid": "mail.mt_comment", "partner_ids": self.outsider.ids,
            "outgoing_email_to": "victim@outside.example", "source_ref": "mail.test",
            "act_type_xmlid": "mail.mail_activity_data_todo",
            "act_type_xmlids": ["mail.mail_activity_data_todo"],
            "user_id": self.staff["manager"].id, "template_id": template.id,
            "template": template.id, "new_thread": record.id, "model": record._name,
            "message": f"From: ann@acme.example\nTo: x@y.example\nSubject: Hi\n"
                       f"In-Reply-To: {self.said[record].message_id}\n\nHi",
            "message_dict": {}, "msg_dict": {"subject": "x.example", "body": "Hi"},
            "notification_type": "email", "rate": 5, "custom_values": {}, "numbers": ["+1"],
            "number_field": "phone", "sms_numbers": ["+12025550123"], "help_message": "",
        }
        given = {}
        for parameter in inspect.signature(method).parameters.values():
            needed = parameter.default is inspect.Parameter.empty and parameter.kind not in (
                parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            if needed:
                self.assertIn(parameter.name, known, f"teach this test {method}")
            if known.get(parameter.name) is not None:
                given[parameter.name] = known[parameter.name]
        return given

    def _call(self, user, record, name, given):
        """As a remote call; returns whether it went through."""
        self.env.invalidate_all()
        model = self.env(user=user, context={})[record._name]
        first = [] if getattr(getattr(model, name), "_api_model", False) else [record.ids]
        with self.env.cr.savepoint() as savepoint:
            try:
                call_kw(model, name, first, given)
                self.env.flush_all()
            except Exception:  # a request that fails leaves nothing
                savepoint.rollback()
                self.env.clear()
                return False
        return True

    # -- customers -----------------------------------------------------------------------

    def test_every_thread_of_ours_is_closed_to_customers(self):
        thread, ours = self.env.registry["mail.thread"], self.env.registry["emboux.thread.mixin"]
        for name, model in self.env.registry.items():
            if name.startswith("emboux.") and issubclass(model, thread):
                self.assertTrue(issubclass(model, ours), name)

    @mute_logger("odoo.addons.mail.models.mail_thread", "odoo.sql_db")
    def test_no_public_method_leaves_anything_of_a_customer(self):
        tried = set()
        for role, user in self.customers.items():
            for record in self.records:
                for name, method in self._methods(record):
                    # kwargs that only Odoo's first class names
                    given = {"partner_ids": self.outsider.ids, "body": "Buy now",
                             "message_type": "comment", "subtype_xmlid": "mail.mt_comment"}
                    if name not in ("message_post", "message_notify"):
                        given = self._arguments(method, record)
                    before = self._traces()
                    self._call(user, record, name, given)
                    with self.subTest(role=role, model=record._name, method=name):
                        self.assertEqual(self._traces(), before)
                    tried.add(name)
        self.assertGreater(len(tried), 20, tried)

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.sql_db",
                 "odoo.addons.base.models.ir_rule")
    def test_no_record_of_odoos_is_made_directly(self):
        outsider, activity = self.outsider.ids, self.env.ref("mail.mail_activity_data_todo").id
        for role, user in self.customers.items():
            for record in (self.acme.domain, self.acme.mailbox, self.acme.customer):
                on = {"model": record._name, "res_id": record.id}
                res = {"res_model": record._name, "res_id": record.id}
                comment = self.env.ref("mail.mt_comment").id
                for model, values in (
                    ("mail.message", {**on, "body": "x", "message_type": "comment",
                                      "subtype_id": comment, "partner_ids": outsider}),
                    ("mail.message", {**on, "body": "x", "message_type": "user_notification",
                                      "subtype_id": comment, "partner_ids": outsider}),
                    ("mail.message", {**on, "body": "x", "message_type": "comment",
                                      "subtype_id": comment, "parent_id": self.said[record].id}),
                    ("mail.message", {"body": "x", "message_type": "comment",
                                      "subtype_id": comment, "partner_ids": outsider}),
                    ("mail.mail", {**on, "body_html": "x", "email_to": "victim@outside.example"}),
                    ("mail.followers", {**res, "partner_id": outsider[0]}),
                    ("mail.notification", {"mail_message_id": self.said[record].id,
                                           "res_partner_id": outsider[0]}),
                    ("mail.activity", {"res_model_id": self.env["ir.model"]._get_id(record._name),
                                       "res_id": record.id, "activity_type_id": activity,
                                       "user_id": self.staff["manager"].id}),
                    ("mail.compose.message", {"model": record._name, "res_ids": str(record.ids),
                                              "partner_ids": outsider, "body": "x"}),
                    ("mail.scheduled.message", {**on, "body": "x", "partner_ids": outsider,
                                                "scheduled_date": "2040-01-01"}),
                    ("mail.message.reaction", {"message_id": self.said[record].id, "content": "x"}),
                    ("ir.attachment", {**res, "name": "x", "raw": b"x"}),
                ):
                    before = self._traces()
                    with self.subTest(role=role, model=model, on=record._name):
                        self.assertFalse(self._create(user, model, values))
                        self.assertEqual(self._traces(), before)
                before = self._traces()
                with self.subTest(role=role, on=record._name):
                    for values in ({"body": "changed"}, {"partner_ids": outsider}):
                        self.assertFalse(
                            self._call(user, self.answered[record], "write", {"vals": values}))
                    self.assertFalse(self._call(user, self.answered[record], "unlink", {}))
                    for field, line in (
                        ("message_follower_ids", {"partner_id": outsider[0], **res}),
                        ("message_ids", {"body": "x", **on}),
                        ("activity_ids", {"summary": "x", "activity_type_id": activity}),
                    ):
                        if field in record._fields:
                            vals = {field: [(0, 0, line)]}
                            self._call(user, record, "write", {"vals": vals})
                            self.assertEqual(self._traces(), before, field)

    def _create(self, user, model, values):
        model = self.env(user=user, context={})[model]
        with self.env.cr.savepoint() as savepoint:
            try:
                model.create(values)
                self.env.flush_all()
            except Exception:
                savepoint.rollback()
                self.env.clear()
                return False
        return True

    @mute_logger("odoo.addons.mail.models.mail_thread", "odoo.sql_db")
    def test_other_models_leave_nothing_of_a_customer_either(self):
        """``message_notify`` of any model names a record, or none."""
        domain = self.acme.domain
        for role, user in self.customers.items():
            mixin = self.env["mail.thread"]
            for record, on in ((mixin, {"model": domain._name, "res_id": domain.id}), (mixin, {}),
                               (user.partner_id, {}), (self.acme.partner, {}),
                               (domain.browse(), {})):
                before = self._traces()
                with self.subTest(role=role, model=record._name, on=on):
                    self.assertFalse(self._call(
                        user, record, "message_notify",
                        {"partner_ids": self.outsider.ids, "body": "Buy now", **on}))
                    self.assertEqual(self._traces(), before)

            raw = (f"From: staff@operator.example\nTo: x@operator.example\nSubject: Hi\n"
                   f"References: {self.said[domain].message_id}\n\nBuy now\n")
            for given in ({"thread_id": domain.id}, {}):
                before = self._traces()
                with self.subTest(role=role, method="message_process", given=given):
                    self.assertFalse(self._call(
                        user, mixin, "message_process",
                        {"model": domain._name, "message": raw, **given}))
                    self.assertEqual(self._traces(), before)

    @mute_logger("odoo.http", "odoo.addons.base.models.ir_model", "odoo.sql_db",
                 "odoo.addons.base.models.ir_rule", "odoo.addons.mail.models.mail_thread")
    def test_no_route_leaves_anything_of_a_customer(self):
        self.log_in(self.acme)
        tried = 0
        rules = {
            rule.rule: rule.endpoint for rule in self.env["ir.http"].routing_map().iter_rules()
            if rule.rule.startswith(ROUTES) and "<" not in rule.rule
        }
        for record in (self.acme.domain, self.acme.customer):
            for path, endpoint in sorted(rules.items()):
                before = self._traces()
                self._ask(path, endpoint, record)
                with self.subTest(path=path, model=record._name):
                    self.assertEqual(self._traces(), before)
                tried += 1
        self.assertIn("/mail/message/post", rules)
        self.assertGreater(tried, 40)

    def _ask(self, path, endpoint, record):
        post = {"body": "Buy now", "message_type": "comment", "subtype_xmlid": "mail.mt_comment",
                "partner_ids": self.outsider.ids, "partner_emails": ["victim@outside.example"]}
        known = {
            "thread_model": record._name, "thread_id": record.id, "res_model": record._name,
            "model": record._name, "res_id": record.id, "partner_ids": self.outsider.ids,
            "post_data": post, "update_data": {"body": "changed", **post},
            "message_id": self.answered[record].id, "content": "x", "action": "add",
            "pid": self.acme.partner.id, "hash": "x", "token": "x", "attachment_id": 1,
            "email": "victim@outside.example", "emails": ["victim@outside.example"],
            "follower_id": self.env["mail.followers"].sudo().search(
                [("res_model", "=", record._name), ("res_id", "=", record.id)], limit=1).id,
            "fields": ["display_name"], "fetch_params": [], "target": "x", "rate": 5,
        }
        names = inspect.signature(endpoint.func).parameters
        given = {name: known[name] for name in names if name in known}
        try:
            if endpoint.routing["type"] == "jsonrpc":
                self.make_jsonrpc_request(path, given)
            else:
                data = {k: v if isinstance(v, (str, int)) else json.dumps(v)
                        for k, v in given.items()}
                self.url_open(path, data=data, files={"ufile": ("x.txt", b"x")},
                              allow_redirects=False)
        except JsonRpcException:
            self.env.invalidate_all()

    # -- staff, and answers by mail ------------------------------------------------------

    def test_staff_go_on_working(self):
        for name in ("manager", "admin"):
            user = self.staff[name]
            # what this person may change; the others are somebody else's to write on
            for record in (r for r in self.records if r.with_user(user).has_access("write")):
                with self.subTest(role=name, model=record._name):
                    before = self._traces()
                    self.assertTrue(self._call(user, record, "message_post", {
                        "body": "Hello", "partner_ids": self.outsider.ids,
                        "message_type": "comment"}))
                    after = self._traces()
                    for trace in ("mail.message", "mail.notification", "mail.mail"):
                        self.assertGreater(after[trace], before[trace], trace)
                    self.assertTrue(self._call(
                        user, record, "message_subscribe", {"partner_ids": self.outsider.ids}))
                    self.assertIn(self.outsider, record.message_partner_ids)
                    self.assertTrue(self._call(
                        user, record, "message_unsubscribe", {"partner_ids": self.outsider.ids}))
                    self.assertNotIn(self.outsider, record.message_partner_ids)
            self.assertTrue(self._call(user, self.acme.domain, "activity_schedule", {
                "act_type_xmlid": "mail.mail_activity_data_todo", "user_id": user.id}))
            self.authenticate(user.login, user.login)
            posted = self.make_jsonrpc_request("/mail/message/post", {
                "thread_model": "emboux.domain", "thread_id": self.acme.domain.id,
                "post_data": {"body": "From the form", "message_type": "comment"}})
            self.assertTrue(posted["message_id"])

    def test_a_user_without_more_writes_nowhere(self):
        user = self.staff["user"]
        for record in self.records:
            with self.subTest(model=record._name):
                before = self._traces()
                self.assertFalse(self._call(
                    user, record, "message_post",
                    {"body": "x", "partner_ids": self.outsider.ids}))
                self.assertEqual(self._traces(), before)

    def test_a_customers_answer_by_mail_is_a_note_that_goes_to_no_outsider(self):
        domain, manager = self.acme.domain, self.staff["manager"]
        domain.user_id = manager
        domain.message_subscribe((self.outsider | self.rival.partner).ids)
        parent = self.said[domain]
        notified = self.env["mail.notification"].sudo()
        for sender, outside in (("acme@mail.example", False), ("anybody@else.example", False),
                                (manager.email, True)):
            with self.subTest(sender=sender):
                self.env["mail.thread"].sudo().with_user(self.env.ref("base.user_root")).message_process(
                    False,
                    f"From: {sender}\nTo: catchall@operator.example, victim@outside.example\n"
                    f"Subject: Re: Hello\nMessage-Id: <{sender}>\nMIME-Version: 1.0\n"
                    f"References: {parent.message_id}\nContent-Type: text/plain\n\nMy answer\n")
                message = self.env["mail.message"].sudo().search(
                    [("message_id", "=", f"<{sender}>")])
                self.assertEqual((message.model, message.res_id), (domain._name, domain.id))
                told = notified.search([("mail_message_id", "=", message.id)]).res_partner_id
                self.assertEqual(self.rival.partner in told, outside)
                if not outside:
                    self.assertEqual(message.subtype_id, self.env.ref("mail.mt_note"))
                    self.assertIn(manager.partner_id, told)
                    self.assertFalse(told.filtered("partner_share"), "no outsider")
