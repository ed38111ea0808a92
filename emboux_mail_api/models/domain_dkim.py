# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
from datetime import datetime, time, timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from odoo.addons.emboux_core.models.notification import notification
from odoo.addons.emboux_core.models.thread import Notice
from odoo.addons.emboux_core.transactions import each_in_own_transaction

from ..providers.dkim import OVERLAP, plan
from ..settings import DKIM_ROTATE_DAYS

BATCH = 100
ACTIVITY = "emboux_mail_api.mail_activity_dkim"


class DomainDkim(models.Model):
    """The keys of a domain over time: what ``providers.dkim.plan`` says is done here.

    A look at the DNS (whoever asks for it) moves the keys on at once; once a day the cron makes
    what is due and removes what has had its time.
    """

    _inherit = "emboux.domain"
    _system_fields = frozenset({"dkim_next"})

    dkim_key_ids = fields.One2many(
        "emboux.dkim.key", "domain_id", "DKIM Keys", groups="emboux_core.group_manager"
    )
    dkim_next = fields.Datetime("Next Look at the DKIM Keys", readonly=True, copy=False)

    @api.model
    def _dkim_rotating(self):
        """Search domain: whose keys have a life here now.

        A subdomain signs with its parent's. A suspended domain stands still: its DNS is not
        looked at, so nothing may follow from it.
        """
        return [
            ("backend_id.kind", "=", "local"),
            ("parent_id", "=", False),
            ("state", "not in", ("draft", "suspended")),
            ("dkim_key_ids", "!=", False),
            # others are signed for by their provider
            "|", ("provider_id", "=", False), ("provider_id.kind", "=", "dkim"),
        ]

    @api.model
    def _dkim_rotate_after(self):
        """How long a key signs before the next is made; None: none is made by itself."""
        days = DKIM_ROTATE_DAYS.read(self.env)
        return timedelta(days=days) if days > 0 else None

    # -- what is to be done, and doing it ------------------------------------------------

    def _dkim_live_keys(self):
        return self.dkim_key_ids.filtered(lambda key: not key.removed)

    def _dkim_found(self):
        """Selectors whose right record was in the DNS when it was looked at last."""
        return {
            record.key.removeprefix("dkim:")
            for record in self.dns_record_ids
            if record.key.startswith("dkim:") and record.state == "ok"
        }

    def _dkim_plan(self, today):
        self.ensure_one()
        return plan(
            [key._as_life() for key in self._dkim_live_keys().sorted("id")],
            today,
            self._dkim_found(),
            types=self.env["emboux.dkim.key"]._types(),
            rotate_after=self._dkim_rotate_after() or timedelta.max,
        )

    def _dkim_changes(self, todo):
        """Keys that the DNS, as last seen, makes (seen, retired, stop signing, start it)."""
        keys, found = self._dkim_live_keys(), self._dkim_found()
        return (
            keys.filtered(lambda key: key.selector in found and not key.seen),
            keys.filtered(lambda key: key.selector in todo.retire),
            keys.filtered(lambda key: key.signs and key.selector not in todo.sign),
            keys.filtered(lambda key: key.selector in todo.sign and not key.signs),
        )

    def _dkim_due(self, todo):
        """Types of which the cron makes a key.

        A domain that never got through has nobody who would publish one more.
        """
        return todo.make if self.state == "verified" and self._dkim_rotate_after() else ()

    def _dkim_apply_dns(self, today):
        """Let those keys sign that the DNS, as last seen, allows to."""
        self.ensure_one()
        seen, retired, stopped, started = self._dkim_changes(self._dkim_plan(today))
        if not seen | retired | stopped | started:
            return
        seen.write({"seen": today})
        retired.write({"retired": today, "private_key": False})
        stopped.write({"signs": False})
        stopped.flush_recordset()  # at no moment do two of a type sign; the index would say no
        started.write({"signs": True})
        self.dns_record_ids._align_dkim(self)
        if seen:
            self._dkim_notify_seen(seen)
        if retired:
            self._dkim_notify_retired(retired, started)

    def _dkim_run(self, today):
        """What a day brings: also new keys that are due, and the end of old ones."""
        self.ensure_one()
        self._dkim_apply_dns(today)
        todo = self._dkim_plan(today)
        gone = self._dkim_live_keys().filtered(lambda key: key.selector in todo.remove)
        if gone:
            self._dkim_remove(gone, today)
        if due := self._dkim_due(todo):
            self._dkim_make(due, today)

    def _dkim_make(self, key_types, today):
        """New keys, in the domain's records and told to who publishes them; they sign later."""
        made = self.env["emboux.dkim.key"]._make(self, key_types, today)
        self._provision()
        self._dkim_notify_made(made)
        return made

    def _dkim_remove(self, keys, today):
        """Their records are wanted no more."""
        keys.write({"removed": today})
        self._provision()
        self._dkim_notify_removed(keys)

    @api.model
    def _cron_rotate_dkim(self):
        """Look after the keys of each domain once a day, in batches, until the time is up."""
        today = fields.Date.today()
        begin = datetime.combine(today, time.min)
        due = [
            *self._dkim_rotating(), "|", ("dkim_next", "=", False), ("dkim_next", "<=", begin),
        ]
        following = {"dkim_next": begin + timedelta(days=1)}
        seen, time_left = self.browse(), True
        while time_left and (
            domains := self.search([*due, ("id", "not in", seen.ids)], limit=BATCH, order="id")
        ):
            seen |= domains
            time_left = each_in_own_transaction(
                self.env, [domains],
                lambda some: some._dkim_run_batch(today, following),
                # one that cannot be served is tried again tomorrow
                lambda domain, _error: domain.write(following),
                more=self.search_count([*due, ("id", "not in", seen.ids)]), size=BATCH,
            )

    def _dkim_run_batch(self, today, following):
        """What somebody writes at this moment is left for the next run of the job."""
        free = self.try_lock_for_update(allow_referencing=True)
        for domain in free:
            todo = domain._dkim_plan(today)
            if any(domain._dkim_changes(todo)) or todo.remove or domain._dkim_due(todo):
                domain.with_context(lang=domain.user_id.lang or self.env.lang)._dkim_run(today)
        free.write(following)

    def _apply_verification(self):
        """The DNS was looked at: a key that was waited for may sign from now on."""
        done = super()._apply_verification()
        for domain in self.filtered_domain(self._dkim_rotating()):
            domain._dkim_apply_dns(fields.Date.today())
        return done

    # -- by hand -------------------------------------------------------------------------

    def action_new_dkim_key(self):
        """Begin a rotation now: a new key of each type, to be published before it signs."""
        self.ensure_one()
        if not self.env.user.has_group("emboux_core.group_manager"):
            raise AccessError(self.env._("Only a manager can create DKIM keys."))
        self.check_access("write")
        # as superuser: keys are the platform's, and nobody's to write
        domain = self.sudo()
        domain._dkim_assert_rotates()
        waiting = domain._dkim_waiting()
        all_types, have_next = self.env["emboux.dkim.key"]._types(), waiting.mapped("key_type")
        types = [key_type for key_type in all_types if key_type not in have_next]
        if not types:
            raise UserError(
                self.env._(
                    "The next key of %(name)s has not been seen in the DNS yet. Publish its record "
                    "first: %(records)s.",
                    name=self.display_name,
                    records=", ".join(waiting.mapped("selector")),
                )
            )
        made = domain._dkim_make(types, fields.Date.today())
        return notification(
            "success",
            self.env._(
                "Publish the new record of %s. Until it is seen, mail is still signed with the "
                "previous key.",
                ", ".join(made.mapped("selector")),
            ),
        )

    def _dkim_assert_rotates(self):
        if self.parent_id:
            raise UserError(
                self.env._(
                    "%(name)s signs with the key of %(parent)s: make the new key there.",
                    name=self.display_name,
                    parent=self.parent_id.display_name,
                )
            )
        if self.state == "suspended":
            raise UserError(self.env._("%s is suspended: activate it first.", self.display_name))
        if not self.filtered_domain(self._dkim_rotating()):
            raise UserError(
                self.env._("The mail of %s is not signed by this server.", self.display_name)
            )

    def _dkim_waiting(self):
        """Keys that shall sign next, once they are seen."""
        return self._dkim_live_keys().filtered(lambda key: not key.signs and not key.retired)

    # -- telling people ------------------------------------------------------------------

    def _dkim_notify_made(self, made):
        """Responsible and owner: what to publish, and that nothing is lost until then."""
        records = self.dns_record_ids.filtered(
            lambda record: record.key.removeprefix("dkim:") in made.mapped("selector")
        )
        lines = tuple(
            Markup("%s %s<br/><code>%s</code>")
            % (record.record_type, record.name, record.expected)
            for record in records
        )

        def compose(domain):
            return Notice(
                domain.env._("New DKIM key for %s: publish its DNS record", domain.display_name),
                domain.env._(
                    "Add these records to the existing ones. Mail is still signed with the "
                    "previous key until the new one is seen in the DNS; keep the old record until "
                    "you are notified."
                ),
                lines,
            )

        self._post_notice(compose, self.user_id.partner_id | self.partner_id)
        within = fields.Date.today() + timedelta(days=7)
        self._schedule_notice(compose, self.user_id, ACTIVITY, within)

    def _dkim_notify_seen(self, seen):
        if not self._dkim_waiting() and self.user_id:
            self.activity_feedback(
                [ACTIVITY],
                user_id=self.user_id.id,
                feedback=self.env._("Seen in the DNS: %s.", ", ".join(seen.mapped("selector"))),
            )

    def _dkim_notify_retired(self, retired, started):
        names = {
            "new": ", ".join(started.mapped("selector")),
            "old": ", ".join(retired.mapped("selector")),
            "day": fields.Date.to_string(retired[0].retired + OVERLAP),
        }
        body = (
            self.env._(
                "DKIM: mail is now signed with %(new)s instead of %(old)s. Keep the old record in "
                "the DNS until %(day)s: mail in transit is still verified with it.",
                **names,
            )
            if started
            else self.env._(
                "DKIM: mail is no longer signed with %(old)s. Keep its record in the DNS until "
                "%(day)s: mail in transit is still verified with it.",
                **names,
            )
        )
        self.message_post(body=body, subtype_xmlid="mail.mt_note")

    def _dkim_notify_removed(self, gone):
        names = ", ".join(f"{key.selector}._domainkey.{self.name}" for key in gone)
        self._post_notice(
            lambda domain: Notice(
                domain.env._("DKIM: %s is no longer needed; remove it from the DNS.", names)
            ),
            self.user_id.partner_id | self.partner_id,
        )
