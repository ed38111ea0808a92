-- What the queue's agent (queue/agent.py) writes for Odoo, and Odoo's wishes to it.
-- Views over Odoo's own tables, so that the role has no right on these.

CREATE OR REPLACE VIEW emboux_mail.held_messages AS
SELECT id, host, queue_id, arrived, arrived_at, login, sender, domain_id, recipients,
       recipient_count, size, reason, state, wish, note, held_since, expires_at, charged_at, done_at
  FROM emboux_held_message;

CREATE OR REPLACE VIEW emboux_mail.queue_agents AS
SELECT id, name, seen_at, waiting, held, problem FROM emboux_queue_agent;

-- Somebody wishes something: the agent does not wait for its next round.
CREATE OR REPLACE FUNCTION emboux_mail.queue_wished() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('emboux_queue', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_queue_wished
    AFTER UPDATE OF wish ON emboux_held_message
    FOR EACH ROW WHEN (NEW.wish IS NOT NULL AND NEW.wish IS DISTINCT FROM OLD.wish)
    EXECUTE FUNCTION emboux_mail.queue_wished();
