-- What Dovecot counted (its plugin quota_clone writes here): bytes and messages of each mailbox.
CREATE SCHEMA IF NOT EXISTS emboux_mail;

CREATE TABLE IF NOT EXISTS emboux_mail.usage (
    username text PRIMARY KEY,
    bytes    bigint NOT NULL DEFAULT 0,
    messages bigint NOT NULL DEFAULT 0,
    -- the transaction that wrote the row: a reader who remembers the oldest one still running
    -- misses nothing, however late another one commits
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX IF NOT EXISTS usage_written_by ON emboux_mail.usage (written_by);

CREATE OR REPLACE FUNCTION emboux_mail.usage_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.written_by := pg_current_xact_id();
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS usage_written ON emboux_mail.usage;
CREATE TRIGGER usage_written BEFORE UPDATE ON emboux_mail.usage
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.usage_written();
