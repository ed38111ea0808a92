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

-- What waits in the queues, as the agents list it: it is there as long as its message is.
CREATE TABLE IF NOT EXISTS emboux_mail.queue_message (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host        text NOT NULL,
    queue_id    text NOT NULL,
    arrived     bigint NOT NULL,        -- seconds since 1970: ids are used again
    queue       text NOT NULL,          -- incoming, active, deferred, hold
    login       text NOT NULL,
    sender      text NOT NULL,
    domain_id   integer,                -- of who submitted it, or else of its first recipient
    recipients  text NOT NULL,          -- the first twenty
    recipient_count integer NOT NULL,
    size        bigint NOT NULL,
    reason      text NOT NULL,          -- of the last delay
    next_try    timestamp,              -- UTC; while it is deferred
    wish        text,                   -- deliver, hold, release, fail, drop, postpone
    wish_until  timestamp,
    note        text,                   -- why a wish was not fulfilled
    UNIQUE (host, queue_id, arrived)
);
CREATE INDEX IF NOT EXISTS queue_message_wish ON emboux_mail.queue_message (host)
    WHERE wish IS NOT NULL;
CREATE INDEX IF NOT EXISTS queue_message_domain ON emboux_mail.queue_message (domain_id);

CREATE OR REPLACE TRIGGER emboux_queue_wished
    AFTER UPDATE OF wish ON emboux_mail.queue_message
    FOR EACH ROW WHEN (NEW.wish IS NOT NULL)
    EXECUTE FUNCTION emboux_mail.queue_wished();

-- The numbers of the domains of these names that are ours.
CREATE OR REPLACE FUNCTION emboux_mail.hosted_numbers(names text[])
RETURNS TABLE (name text, id integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT h.name::text, h.id FROM emboux_mail.hosted h WHERE h.name = ANY(names) AND h.owned
$$;

-- By which server mail to a domain leaves, where the operator has set one (Postfix transport_maps).
-- Mail to what is hosted here stays here.
CREATE VIEW emboux_mail.routes AS
SELECT r.domain::text, 'smtp:[' || r.host || ']:' || r.port AS transport
  FROM emboux_route r
 WHERE r.active AND NOT EXISTS (SELECT FROM emboux_mail.hosted h WHERE h.name = r.domain);

-- Postfix' queue manager remembers for half a minute by which relay mail leaves.  Whoever changes
-- that says so, and the agent makes it forget (queue/forget.py).  For a word that got lost, a
-- number that is another one when the relays are.
CREATE VIEW emboux_mail.routing AS
SELECT coalesce(sum(hashtextextended(domain || ' ' || transport, 0)), 0)::text || '/' || count(*)
       AS mark
  FROM (SELECT domain, transport
          FROM emboux_mail.relays JOIN emboux_mail.hosted ON hosted.name = relays.domain AND owned
         UNION ALL
        SELECT 'to ' || domain, transport FROM emboux_mail.routes) AS known;

CREATE OR REPLACE FUNCTION emboux_mail.routing_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'emboux_domain' THEN
        -- from one that has no relay to another such nothing changes
        IF NOT EXISTS (SELECT FROM emboux_provider
                        WHERE id IN (OLD.provider_id, NEW.provider_id) AND kind <> 'dkim') THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('emboux_routing', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER UPDATE OF provider_id ON emboux_domain FOR EACH ROW
    WHEN (NEW.provider_id IS DISTINCT FROM OLD.provider_id AND NEW.owned_since IS NOT NULL)
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER UPDATE OF kind, relay_host, relay_port, relay_tls
    ON emboux_provider FOR EACH ROW
    WHEN ((NEW.kind, NEW.relay_host, NEW.relay_port, NEW.relay_tls)
          IS DISTINCT FROM (OLD.kind, OLD.relay_host, OLD.relay_port, OLD.relay_tls))
    EXECUTE FUNCTION emboux_mail.routing_changed();
CREATE OR REPLACE TRIGGER emboux_routing_changed
    AFTER INSERT OR DELETE OR UPDATE ON emboux_route
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.routing_changed();
