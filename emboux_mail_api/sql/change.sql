-- What changed, for queries "what is new since": one row for each domain and mailbox of
-- each owner, with the transaction that wrote it.  Readers remember the snapshot of their last
-- question, so that a transaction that began before it and commits after it is not missed
-- (models/change.py).  What Dovecot counted has a mark of its own: emboux_mail.usage.
ALTER TABLE emboux_change ADD COLUMN IF NOT EXISTS written_by xid8 NOT NULL
    DEFAULT pg_current_xact_id();
CREATE INDEX IF NOT EXISTS emboux_change_written_by ON emboux_change (written_by);
-- one row per object and owner; no owner counts as one
CREATE UNIQUE INDEX IF NOT EXISTS emboux_change_thing
    ON emboux_change (kind, name, coalesce(partner_id, 0));

CREATE OR REPLACE FUNCTION emboux_note_change(
    what text, thing text, of_domain text, owner integer, is_gone boolean
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO emboux_change AS c (kind, name, domain_name, partner_id, gone)
    VALUES (what, thing, of_domain, owner, is_gone)
    ON CONFLICT (kind, name, coalesce(partner_id, 0))
    DO UPDATE SET gone = excluded.gone, written_by = pg_current_xact_id();
$$;

CREATE OR REPLACE FUNCTION emboux_domain_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- domains on other platforms are not part of this feed
    IF NOT EXISTS (SELECT FROM emboux_backend WHERE kind = 'local' AND id =
                   CASE WHEN TG_OP = 'DELETE' THEN OLD.backend_id ELSE NEW.backend_id END) THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM emboux_note_change('domain', OLD.name, OLD.name, OLD.partner_id, true);
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.partner_id IS DISTINCT FROM NEW.partner_id THEN
        -- the domain and all that is in it disappears for the old owner and appears for the new one
        PERFORM emboux_note_change('domain', OLD.name, OLD.name, OLD.partner_id, true);
        PERFORM emboux_note_change('mailbox', email, OLD.name, OLD.partner_id, true),
                emboux_note_change('mailbox', email, NEW.name, NEW.partner_id, false)
           FROM emboux_mailbox WHERE domain_id = NEW.id;
    END IF;
    PERFORM emboux_note_change('domain', NEW.name, NEW.name, NEW.partner_id, false);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION emboux_mailbox_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE of_domain record;
BEGIN
    SELECT d.name, d.partner_id INTO of_domain
      FROM emboux_domain d JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
     WHERE d.id = CASE WHEN TG_OP = 'DELETE' THEN OLD.domain_id ELSE NEW.domain_id END;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.email <> NEW.email THEN
        PERFORM emboux_note_change(
            'mailbox', OLD.email, of_domain.name, of_domain.partner_id, true);
    END IF;
    PERFORM emboux_note_change('mailbox', CASE WHEN TG_OP = 'DELETE' THEN OLD.email ELSE NEW.email END,
                               of_domain.name, of_domain.partner_id, TG_OP = 'DELETE');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_domain_changed
    AFTER INSERT OR DELETE OR UPDATE OF state, partner_id, parent_id, is_wildcard, active
    ON emboux_domain FOR EACH ROW EXECUTE FUNCTION emboux_domain_changed();
CREATE OR REPLACE TRIGGER emboux_mailbox_changed
    AFTER INSERT OR DELETE OR UPDATE OF email, name, state, quota_mb, send_as, active, password_hash
    ON emboux_mailbox FOR EACH ROW EXECUTE FUNCTION emboux_mailbox_changed();
