-- Mail of deleted mailboxes.  Nobody can read it any more; its folder is deleted by the purge
-- (retention/leftover.py) on the mail server, where it lies.
CREATE TABLE IF NOT EXISTS emboux_mail.leftover (
    mail_folder text PRIMARY KEY,
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION emboux_mail.note_leftover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO emboux_mail.leftover (mail_folder) VALUES (OLD.mail_folder)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_mailbox_leftover
    AFTER DELETE ON emboux_mailbox
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.note_leftover();

-- After an hour: whatever was being delivered or read when the mailbox went has ended by then.
CREATE OR REPLACE VIEW emboux_mail.leftovers AS
SELECT l.mail_folder FROM emboux_mail.leftover l
 WHERE l.since < clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT FROM emboux_mailbox m WHERE m.mail_folder = l.mail_folder);
