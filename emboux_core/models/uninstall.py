# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Odoo's mail goes again as it did before this add-on, and what stays at a platform is said."""

import logging

from odoo.exceptions import UserError

from ..net.errors import BackendError, NotAuthorised, Refused
from .errors import backend_sentence
from .thread import Notice

_logger = logging.getLogger(__name__)

SHOWN = 20  # addresses in one sentence


class Farewell:
    """The last calls to the platforms: each at once, because the queue goes with the add-on.

    One that fails holds up nothing: Odoo's mail goes as before in any case.  It is in the context
    as ``emboux_farewell``.
    """

    def __init__(self, env):
        self._env = env
        self._away = {}  # backend to the sentence why it is not called any more
        self._told = set()
        self._left = {}  # sentence to the addresses

    def call(self, backend, key, call):
        self._told.add((backend.id, key))
        sentence = self._away.get(backend.id)
        if not sentence:
            try:
                return call()
            except BackendError as error:
                sentence = backend_sentence(self._env, backend.name, error)
                if isinstance(error, NotAuthorised) or not isinstance(error, Refused):
                    self._away[backend.id] = sentence
        self.note(sentence, key)
        return None

    def note(self, sentence, *keys):
        # an address once, however often it was in vain
        self._left.setdefault(sentence, {}).update(dict.fromkeys(keys))

    def note_queue(self):
        """What waited for a platform, and was not done by a later call."""
        waiting = self._env["emboux.operation"].search([("state", "=", "pending")], order="turn")
        for operation in waiting:
            if (operation.backend_id.id, operation.key) not in self._told:
                self.note(
                    self._env._("%s was not told of changes any more.", operation.backend_id.name),
                    operation.key)

    def lines(self):
        for sentence, keys in self._left.items():
            names = list(keys)
            more = self._env._(" and %s more", len(names) - SHOWN) if len(names) > SHOWN else ""
            yield f"{sentence} {', '.join(names[:SHOWN])}{more}"


def restore_odoos_mail(env):
    farewell = Farewell(env)
    env = env(context={**env.context, "emboux_farewell": farewell})
    for setup in env["emboux.odoo.mail"].search([("state", "!=", "planned")]):
        for step in setup._steps_to_undo():
            try:
                with env.cr.savepoint():
                    step._undo()
            except UserError as error:
                farewell.note(str(error), setup.domain_id.name)
    # those by one click on a mailbox, and people's own, which nobody would keep in step any more
    env["ir.mail_server"].with_context(active_test=False).search(
        ["|", ("emboux_mailbox_id", "!=", False), ("emboux_personal", "=", True)]).unlink()
    farewell.note_queue()
    if lines := list(farewell.lines()):
        _tell(env, lines)


def _tell(env, lines):
    """In the log, and to the administrators, where it is kept without this add-on."""
    title = env._("Email Hosting is uninstalled. This is still as it was at the mail platform:")
    for line in (title, *lines):
        _logger.warning("%s", line)
    admins = env.ref("base.group_system").all_user_ids.partner_id
    # by the queue: nothing is to be sent in the midst of an uninstallation
    env.company.partner_id.with_context(mail_notify_force_send=False).message_post(
        body=env["ir.qweb"]._render(
            "emboux_core.notice", {"notice": Notice(title, lines=tuple(lines))}),
        partner_ids=admins.ids, message_type="notification", subtype_xmlid="mail.mt_note")
