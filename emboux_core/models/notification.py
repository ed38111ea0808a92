# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

def notification(kind, message, **params):
    """The action of a button that tells how it went; the page is read anew.

    :param kind: ``success``, ``warning`` or ``danger``.
    :param params: further ones of Odoo's ``display_notification``: ``title``, ``sticky``, ``next``.
    """
    return {
        "type": "ir.actions.client",
        "tag": "display_notification",
        "params": {
            "type": kind,
            "message": message,
            "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            **params,
        },
    }
