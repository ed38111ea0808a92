-- What the queue's agent (queue/agent.py) writes for Odoo, and Odoo's wishes to it.
-- Views over Odoo's own tables, so that the role has no right on these.

CREATE OR REPLACE VIEW emboux_mail.held_messages AS
SELECT id, host, queue_id, arrived, arrived_at, login, sender, domain_id, recipients,
       recipient_count, size, reason, state, wish, note, held_since, expires_at, charged_at, done_at
  FROM emboux_held_message;

CREATE OR REPLACE VIEW emboux_mail.queue_agents AS
SELECT id, name, seen_at, waiting, held, problem, reloaded_at, reload_problem, routing
  FROM emboux_queue_agent;

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

-- Postfix' processes remember how an address was routed: smtpd for as long as it lives whether its
-- domain is ours, the queue manager by which relay it leaves.  Whoever changes that says so, and
-- the agent makes them forget (queue/forget.py).  For a word that got lost, a number that is
-- another one when the domains or their relays are.
CREATE VIEW emboux_mail.routing AS
SELECT coalesce(sum(hashtextextended(line, 0)), 0)::text || '/' || count(*) AS mark
  FROM (SELECT d.name || ' ' || coalesce(r.transport, '') AS line
          FROM emboux_mail.domains d LEFT JOIN emboux_mail.relays r ON r.domain = d.name) AS lines;

CREATE OR REPLACE FUNCTION emboux_mail.routing_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('emboux_routing', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_routing_came
    AFTER INSERT ON emboux_domain FOR EACH ROW WHEN (NEW.owned_since IS NOT NULL)
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_went
    AFTER DELETE ON emboux_domain FOR EACH ROW WHEN (OLD.owned_since IS NOT NULL)
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER UPDATE OF name, active, backend_id, owned_since, provider_id
    ON emboux_domain FOR EACH ROW
    WHEN ((OLD.owned_since IS NOT NULL OR NEW.owned_since IS NOT NULL)
          AND (NEW.name, NEW.active, NEW.backend_id, NEW.owned_since IS NULL, NEW.provider_id)
          IS DISTINCT FROM
          (OLD.name, OLD.active, OLD.backend_id, OLD.owned_since IS NULL, OLD.provider_id))
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER UPDATE OF kind, relay_host, relay_port, relay_tls
    ON emboux_provider FOR EACH ROW
    WHEN ((NEW.kind, NEW.relay_host, NEW.relay_port, NEW.relay_tls)
          IS DISTINCT FROM (OLD.kind, OLD.relay_host, OLD.relay_port, OLD.relay_tls))
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER UPDATE OF kind, active, mail_host ON emboux_backend FOR EACH ROW
    WHEN ((NEW.kind, NEW.active, NEW.mail_host)
          IS DISTINCT FROM (OLD.kind, OLD.active, OLD.mail_host))
    EXECUTE FUNCTION emboux_mail.routing_changed();
