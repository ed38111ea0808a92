# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

def migrate(cr, _version):
    """An address is unique within its domain now, because several may claim a name."""
    cr.execute("ALTER TABLE emboux_address ADD COLUMN IF NOT EXISTS domain_id integer")
    cr.execute(
        """UPDATE emboux_address a
              SET domain_id = coalesce(
                      (SELECT domain_id FROM emboux_mailbox m WHERE m.id = a.mailbox_id),
                      (SELECT domain_id FROM emboux_alias l WHERE l.id = a.alias_id))
            WHERE domain_id IS NULL"""
    )
