# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from typing import NamedTuple

from odoo import api, models
from odoo.exceptions import AccessError


class Notice(NamedTuple):
    """What people are told: all of it translated, and escaped where it is no ``Markup``."""

    title: str  # one line: the subject of the mail, the summary of the activity
    text: str = ""
    lines: tuple = ()
    remedy: str = ""  # what they can do about it


class Thread(models.AbstractModel):
    """The chatter of our records: operator staff write on it, customers only read.

    Customers may change their domains, and by Odoo's rules could therefore post on the thread
    with any recipient, or have anybody follow it: mail from the operator's server, past the policy
    that counts their mail and past the suppression list.
    """

    _name = "emboux.thread.mixin"
    _inherit = "mail.thread"
    _description = "Chatter That Customers Do Not Write On"

    def _refuse_customers(self):
        # our own code posts as superuser, also in a customer's transaction
        if not self.env.su and not self.env.user._is_internal():
            raise AccessError(
                self.env._("Only the operator writes here. Send them an email instead.")
            )

    def _mail_get_operation_for_mail_message_operation(self, message_operation):
        """Where Odoo asks which access right on the record is needed: for customers there is none.

        Its routes ask so, and then post as superuser.
        """
        if message_operation != "read" and not self.env.user._is_internal():
            return dict.fromkeys(self, False)
        return super()._mail_get_operation_for_mail_message_operation(message_operation)

    def _mail_group_by_operation_for_mail_message_operation(self, message_operation):
        found = super()._mail_group_by_operation_for_mail_message_operation(message_operation)
        found.pop(False, None)
        return found

    def message_post(self, **kwargs):
        self._refuse_customers()
        if kwargs.get("message_type") == "email":
            kwargs = self._as_note(kwargs)
        return super().message_post(**kwargs)

    def _as_note(self, values):
        """A mail that answers a notification, as a note that goes to no outsider.

        ``values``: what Odoo's mail gateway posts.  Mail of the operator's own people goes on to
        the followers, as everywhere in Odoo.
        """
        # as superuser: whoever answers need not see the people whom the answer is for
        record = self.sudo()
        author = record.env["res.partner"].browse(values.get("author_id") or ())
        if author and not author.partner_share:
            return values
        answered = record.env["mail.message"].browse(values.get("parent_id") or ())
        told = (
            answered.author_id | record.message_partner_ids | record._users_to_notify().partner_id
        )
        return values | {
            "subtype_id": self.env["ir.model.data"]._xmlid_to_res_id("mail.mt_note"),
            "partner_ids": told.filtered(lambda p: p.active and not p.partner_share).ids,
        }

    def _users_to_notify(self):
        """The users who are notified of an answer."""
        return self.user_id if "user_id" in self else self.env["res.users"]

    def _note(self, body, subject=False):
        """On the chatter of each: that the user did something.

        What ``mail.thread`` would write, without the reply address and the look for somebody to be
        told, which no note needs and which take most of the time.
        """
        # as superuser: it is the system that records who did it
        self.sudo()._message_create(
            [
                {
                    "model": self._name,
                    "res_id": record.id,
                    "subject": subject,
                    "body": body,
                    "author_id": self.env.user.partner_id.id,
                    "email_from": False,
                    "reply_to": False,
                    "message_type": "notification",
                    "subtype_id": self.env["ir.model.data"]._xmlid_to_res_id("mail.mt_note"),
                    "is_internal": True,
                }
                for record in self
            ]
        )

    def _post_notice(self, compose, partners):
        """Tell people something that happened to this record: each in their language, out of the
        queue, because whoever found it out does not wait for our mail.

        :param compose: called with this record in a language; returns the ``Notice``.
        :param partners: whom it is mailed to; none: it is on the chatter alone.
        """
        self.ensure_one()
        # as superuser: who changes the record need not see who follows it
        if not partners and not self.sudo().message_follower_ids:
            notice = compose(self)
            self._note(self.env["ir.qweb"]._render("emboux_core.notice", {"notice": notice}),
                       notice.title)
            return
        spoken = self.env.lang
        readers_of = partners.grouped(lambda p: p.lang or spoken) or {spoken: partners}
        for lang, readers in readers_of.items():
            record = self.with_context(lang=lang, mail_notify_force_send=False)
            notice = compose(record)
            record.message_post(
                subject=notice.title,
                body=record.env["ir.qweb"]._render("emboux_core.notice", {"notice": notice}),
                partner_ids=readers.ids,
                subtype_xmlid="mail.mt_note",
            )
        if partners:
            self.env.ref("mail.ir_cron_mail_scheduler_action")._trigger()

    def _schedule_notice(self, compose, users, activity, deadline=None):
        """Have users see to it: each gets an activity, unless they have the same one still.

        :param compose: as above.
        :param activity: XML id of its type.
        :param deadline: a date; None: as the type says.
        """
        self.ensure_one()
        for user in users:
            record = self.with_context(
                lang=user.lang or self.env.lang, mail_notify_force_send=False
            )
            notice = compose(record)
            if record.activity_search(
                [activity], user_id=user.id, additional_domain=[("summary", "=", notice.title)]
            ):
                continue
            note = record.env["ir.qweb"]._render(
                "emboux_core.notice", {"notice": notice._replace(title="")}
            )
            record.activity_schedule(
                activity, deadline, summary=notice.title, note=note, user_id=user.id
            )

    def message_notify(self, **kwargs):
        self._refuse_customers()
        return super().message_notify(**kwargs)

    def message_mail_with_source(self, source_ref, **kwargs):
        self._refuse_customers()
        return super().message_mail_with_source(source_ref, **kwargs)

    def message_post_with_source(self, source_ref, **kwargs):
        self._refuse_customers()
        return super().message_post_with_source(source_ref, **kwargs)

    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        self._refuse_customers()
        return super().message_subscribe(partner_ids, subtype_ids)

    def message_unsubscribe(self, partner_ids=None):
        self._refuse_customers()
        return super().message_unsubscribe(partner_ids)

    def message_change_thread(self, new_thread, new_parent_message=False):
        self._refuse_customers()
        return super().message_change_thread(new_thread, new_parent_message)

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        self._refuse_customers()
        return super().message_new(msg_dict, custom_values)

    def message_update(self, msg_dict, update_vals=None):
        self._refuse_customers()
        return super().message_update(msg_dict, update_vals)


class Message(models.Model):
    _inherit = "mail.message"

    def _get_forbidden_access(self, operation):
        """Odoo lets authors change what they wrote, followers write, and anybody make what no
        thread shows: not on our records, if they are customers."""
        forbidden = super()._get_forbidden_access(operation)
        if operation == "read" or self.env.user._is_internal():
            return forbidden
        ours = self.env.registry["emboux.thread.mixin"]
        # as superuser: of which record it is
        return forbidden | self.sudo().filtered(
            lambda message: message.model in self.env
            and isinstance(self.env[message.model], ours)
        ).sudo(False)
