# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def migrate(cr, _version):
    """Messages that are under way: what is known of one is a document now."""
    cr.execute("SELECT FROM information_schema.columns WHERE table_schema = 'emboux_mail'"
               " AND table_name = 'log_message' AND column_name = 'counted'")
    if not cr.rowcount:
        return
    cr.execute("""
        ALTER TABLE emboux_mail.log_message ADD COLUMN state jsonb;
        UPDATE emboux_mail.log_message SET state = jsonb_build_object(
            'at', seen_at, 'client', '', 'login', coalesce(login, ''), 'service', '',
            'message_id', '', 'sender', '', 'size', size, 'counted', counted,
            'rows', '{}'::jsonb);
        ALTER TABLE emboux_mail.log_message
            ALTER COLUMN state SET NOT NULL,
            DROP COLUMN login, DROP COLUMN size, DROP COLUMN counted;
    """)
