-- Webhooks: what has happened, as a delivery for each endpoint that wants to hear of it, written by
-- the transaction in which it happens.  "odoo emboux_webhooks" sends them.

CREATE TABLE IF NOT EXISTS emboux_mail.webhook_delivery (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  integer NOT NULL REFERENCES emboux_webhook ON DELETE CASCADE,
    -- webhook-id of Standard Webhooks: the same at each attempt
    event_id    uuid NOT NULL DEFAULT gen_random_uuid(),
    type        text NOT NULL,
    subject     text NOT NULL,          -- whose events keep their order: "message 4711"
    about       text NOT NULL,          -- for people: a recipient, a domain
    created_at  timestamp NOT NULL,     -- UTC, as all of them; whole seconds, as Odoo keeps them
    payload     text NOT NULL,          -- the body, as JSON
    state       text NOT NULL DEFAULT 'pending',  -- delivered, failed
    attempts    integer NOT NULL DEFAULT 0,       -- since it was last asked for
    next_try    timestamp,              -- while it is pending
    done_at     timestamp,
    last_status integer,                -- of HTTP; 0 where no answer came
    last_answer text,
    tries       jsonb NOT NULL DEFAULT '[]'       -- [{"at", "status", "text", "ms"}]
);
-- what is due of an endpoint; whether something of the same subject comes first
CREATE INDEX IF NOT EXISTS webhook_delivery_due
    ON emboux_mail.webhook_delivery (webhook_id, next_try, id) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS webhook_delivery_order
    ON emboux_mail.webhook_delivery (webhook_id, subject, id) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS webhook_delivery_list
    ON emboux_mail.webhook_delivery (webhook_id, id);
CREATE INDEX IF NOT EXISTS webhook_delivery_subject ON emboux_mail.webhook_delivery (subject);
CREATE INDEX IF NOT EXISTS webhook_delivery_age ON emboux_mail.webhook_delivery (created_at);

CREATE OR REPLACE FUNCTION emboux_mail.utc_now() RETURNS timestamp LANGUAGE sql VOLATILE AS $$
    SELECT clock_timestamp() AT TIME ZONE 'UTC'
$$;

-- The endpoints that want to hear of something.  The operator's own, which belong to no customer,
-- hear of all domains of their company.
CREATE OR REPLACE FUNCTION emboux_mail.webhooks_for(
    of_type text, of_partner integer, of_company integer, of_domain integer
) RETURNS SETOF integer LANGUAGE sql STABLE AS $$
    SELECT w.id
      FROM emboux_webhook w
     WHERE (w.partner_id = of_partner OR (w.partner_id IS NULL AND w.company_id = of_company))
       AND (w.domain_id IS NULL OR w.domain_id = of_domain)
       AND (NOT EXISTS (SELECT FROM emboux_webhook_type_rel r WHERE r.webhook_id = w.id)
            OR EXISTS (SELECT FROM emboux_webhook_type_rel r
                         JOIN emboux_webhook_type t ON t.id = r.type_id
                        WHERE r.webhook_id = w.id AND t.code = of_type))
$$;

CREATE OR REPLACE FUNCTION emboux_mail.webhook_body(of_type text, at text, data jsonb)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('type', of_type, 'timestamp', at, 'data', data)::text
$$;

CREATE OR REPLACE FUNCTION emboux_mail.iso(moment timestamp) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')
$$;

-- Something has happened to a domain, or to what belongs to it.  Returns to how many it is told.
CREATE OR REPLACE FUNCTION emboux_mail.tell(
    of_type text, subject text, about text,
    of_partner integer, of_company integer, of_domain integer, data jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE told bigint; moment timestamp := emboux_mail.utc_now();
BEGIN
    INSERT INTO emboux_mail.webhook_delivery
           (webhook_id, type, subject, about, created_at, next_try, payload)
    SELECT w, of_type, tell.subject, tell.about, date_trunc('second', moment), moment,
           emboux_mail.webhook_body(of_type, emboux_mail.iso(moment), data)
      FROM emboux_mail.webhooks_for(of_type, of_partner, of_company, of_domain) w;
    GET DIAGNOSTICS told = ROW_COUNT;
    IF told > 0 THEN
        PERFORM pg_notify('emboux_webhooks', '');
    END IF;
    RETURN told;
END $$;

-- -- messages ------------------------------------------------------------------------------

-- What the new events of a message are, as types.  ``seen``: how many of its events were known.
-- What was sent by HTTP is accepted once the mail server has it; all else has been, when its row
-- comes, unless it was refused.
CREATE OR REPLACE FUNCTION emboux_mail.message_event_types(
    events jsonb, seen integer, status_before text, by_http boolean, queued boolean,
    queued_before boolean
) RETURNS TABLE (place bigint, type text, event jsonb) LANGUAGE sql IMMUTABLE AS $$
    WITH happened AS (
        SELECT e.ordinality AS place, e.value AS event, e.value ->> 'kind' AS kind,
               e.ordinality > seen AS fresh
          FROM jsonb_array_elements(events) WITH ORDINALITY e
    ), taken AS (  -- that the mail server had it
        SELECT place, fresh FROM happened
         WHERE kind IN ('delivered', 'relayed', 'delayed', 'failed', 'held', 'expired', 'bounced',
                        'complained')
    )
    SELECT 0, 'message.accepted', NULL
     WHERE CASE WHEN by_http THEN
                    NOT coalesce(queued_before, false)
                    AND NOT EXISTS (SELECT FROM taken WHERE NOT fresh)
                    AND (queued OR EXISTS (SELECT FROM taken WHERE fresh))
                ELSE status_before IS NULL
                     AND NOT EXISTS (SELECT FROM happened
                                      WHERE place = 1 AND kind IN ('rejected', 'suppressed')) END
     UNION ALL
    SELECT h.place, t.type, h.event
      FROM happened h
      JOIN (VALUES ('delivered', 'message.delivered'), ('arrived', 'message.delivered'),
                   ('delayed', 'message.delayed'), ('failed', 'message.failed'),
                   ('expired', 'message.failed'), ('rejected', 'message.failed'),
                   ('suppressed', 'message.suppressed'), ('bounced', 'message.bounced'),
                   ('complained', 'message.complained'), ('held', 'message.held'),
                   ('released', 'message.released'), ('deleted', 'message.canceled'),
                   ('taken_back', 'message.canceled')) AS t(kind, type) USING (kind)
     WHERE h.fresh
       -- whoever submits by SMTP was told so at once
       AND (h.kind <> 'rejected' OR by_http)
       -- reported of what was known to be
       AND (h.kind <> 'arrived' OR status_before IS DISTINCT FROM 'delivered')
$$;

-- Tell of what is new with messages, of which so many events were known, and which had that status.
CREATE OR REPLACE FUNCTION emboux_mail.tell_messages(
    ids bigint[], days date[], known integer[], statuses text[], queued boolean[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE told bigint; moment timestamp := emboux_mail.utc_now();
BEGIN
    INSERT INTO emboux_mail.webhook_delivery
           (webhook_id, type, subject, about, created_at, next_try, payload)
    SELECT w, e.type, 'message ' || m.id, m.recipient, date_trunc('second', moment), moment,
           emboux_mail.webhook_body(
               e.type, coalesce(e.event ->> 'at', emboux_mail.iso(m.at)),
               jsonb_build_object(
                   'id', m.id::text, 'message_id', nullif(m.message_id, ''),
                   'from_id', nullif(m.from_id, ''), 'direction', m.direction,
                   'status', m.status, 'domain', d.name, 'sender', m.sender,
                   'recipient', m.recipient,
                   'original_recipient', nullif(m.original_recipient, ''),
                   'queue_id', nullif(m.queue_id, ''), 'size', m.size, 'attempts', m.attempts,
                   'at', emboux_mail.iso(m.at), 'extra', coalesce(m.extra, '{}'),
                   'tags', coalesce(m.tags, '[]'),
                   'event', coalesce(e.event - 'at' - 'kind', '{}')))
      FROM unnest(ids, days, known, statuses, queued)
           AS n(id, expires, seen, status_before, queued_before)
      JOIN emboux_mail.message m USING (id, expires)
      LEFT JOIN emboux_domain d ON d.id = m.domain_id
     CROSS JOIN LATERAL emboux_mail.message_event_types(
           m.events, n.seen, n.status_before, m.client = 'HTTP', m.queue_id <> '', n.queued_before
           ) e
     CROSS JOIN LATERAL emboux_mail.webhooks_for(
           e.type, m.partner_id, m.company_id, m.domain_id) w
     ORDER BY m.id, e.event ->> 'at' NULLS FIRST, e.place;
    GET DIAGNOSTICS told = ROW_COUNT;
    IF told > 0 THEN
        PERFORM pg_notify('emboux_webhooks', '');
    END IF;
END $$;

-- Of whom somebody hears; most have no endpoint.
CREATE OR REPLACE FUNCTION emboux_mail.is_heard(of_partner integer, of_company integer)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM emboux_webhook WHERE partner_id = of_partner)
        OR EXISTS (SELECT FROM emboux_webhook WHERE partner_id IS NULL AND company_id = of_company)
$$;

-- What people did with these messages before their rows were there, or had a queue id.
CREATE OR REPLACE FUNCTION emboux_mail.add_acts(ids bigint[], days date[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH found AS (
        SELECT m.id, m.expires, jsonb_agg(a.event ORDER BY a.id) AS events, max(a.at) AS at,
               array_agg(a.id) AS acts
          FROM unnest(ids, days) AS n(id, expires)
          JOIN emboux_mail.message m USING (id, expires)
          JOIN emboux_mail.message_act a ON (a.host, a.queue_id) = (m.host, m.queue_id)
         GROUP BY m.id, m.expires
    ), told AS (
        UPDATE emboux_mail.message m
           SET events = m.events || found.events, changed_at = greatest(m.changed_at, found.at)
          FROM found WHERE (m.id, m.expires) = (found.id, found.expires)
        RETURNING found.acts
    )
    DELETE FROM emboux_mail.message_act WHERE id IN (SELECT unnest(acts) FROM told);
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.message_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM emboux_mail.message_act) THEN
        PERFORM emboux_mail.add_acts(array_agg(id), array_agg(expires))
           FROM new_rows WHERE queue_id <> '' HAVING count(*) > 0;
    END IF;
    IF EXISTS (SELECT FROM emboux_webhook) THEN
        PERFORM emboux_mail.tell_messages(
                    array_agg(id), array_agg(expires), array_agg(0), array_agg(NULL::text),
                    array_agg(false))
           FROM new_rows
          WHERE direction <> 'in' AND emboux_mail.is_heard(partner_id, company_id)
         HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.message_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM emboux_mail.message_act) THEN
        PERFORM emboux_mail.add_acts(array_agg(n.id), array_agg(n.expires))
           FROM new_rows n JOIN old_rows o USING (id, expires)
          WHERE n.queue_id <> o.queue_id HAVING count(*) > 0;
    END IF;
    IF EXISTS (SELECT FROM emboux_webhook) THEN
        PERFORM emboux_mail.tell_messages(
                    array_agg(n.id), array_agg(n.expires),
                    array_agg(jsonb_array_length(o.events)), array_agg(o.status),
                    array_agg(o.queue_id <> ''))
           FROM new_rows n JOIN old_rows o USING (id, expires)
          WHERE n.direction <> 'in'
            AND (jsonb_array_length(n.events) > jsonb_array_length(o.events)
                 OR n.queue_id <> o.queue_id)
            AND emboux_mail.is_heard(n.partner_id, n.company_id)
         HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;

-- for each statement: the reader of the logs writes thousands of rows in one
CREATE OR REPLACE TRIGGER message_inserted AFTER INSERT ON emboux_mail.message
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION emboux_mail.message_inserted();
CREATE OR REPLACE TRIGGER message_updated AFTER UPDATE ON emboux_mail.message
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION emboux_mail.message_updated();

-- -- domains and mailboxes -------------------------------------------------------------------

CREATE OR REPLACE FUNCTION emboux_mail.domain_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE types text[] := '{}'; of_type text;
BEGIN
    -- domains on other platforms tell of themselves there
    IF NOT EXISTS (SELECT FROM emboux_backend WHERE kind = 'local' AND id = NEW.backend_id) THEN
        RETURN NULL;
    END IF;
    IF NEW.state <> OLD.state THEN
        types := types || CASE
            WHEN NEW.state = 'suspended' THEN 'domain.suspended'
            WHEN NEW.state = 'verified' THEN 'domain.verified'
            WHEN OLD.state IN ('verified', 'suspended') THEN 'domain.unverified'
            ELSE NULL END;
    END IF;
    IF NEW.outbound_status <> OLD.outbound_status THEN
        types := types || CASE WHEN NEW.outbound_status = 'blocked' THEN 'domain.blocked'
                               ELSE 'domain.unblocked' END;
    END IF;
    FOREACH of_type IN ARRAY array_remove(types, NULL) LOOP
        PERFORM emboux_mail.tell(
            of_type, 'domain ' || NEW.id, NEW.name, NEW.partner_id, NEW.company_id, NEW.id,
            jsonb_build_object(
                'domain', NEW.name, 'state', NEW.state,
                'reason', CASE WHEN of_type IN ('domain.blocked', 'domain.unblocked')
                               THEN NEW.outbound_reason ELSE NEW.state_reason END));
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER emboux_domain_told AFTER UPDATE OF state, outbound_status
    ON emboux_domain FOR EACH ROW EXECUTE FUNCTION emboux_mail.domain_told();

-- A mailbox passes 90 percent of its quota, or all of it.
CREATE OR REPLACE FUNCTION emboux_mail.usage_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE box record; of_type text;
BEGIN
    IF NOT EXISTS (SELECT FROM emboux_webhook) THEN
        RETURN NULL;
    END IF;
    SELECT m.id, m.email, m.quota_mb * 1048576::bigint AS quota, d.id AS domain_id, d.name,
           d.partner_id, d.company_id
      INTO box
      FROM emboux_mailbox m
      JOIN emboux_domain d ON d.id = m.domain_id AND d.owned_since IS NOT NULL
      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
     WHERE m.email = NEW.username AND m.active AND m.quota_mb > 0;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    of_type := CASE WHEN NEW.bytes >= box.quota AND OLD.bytes < box.quota THEN 'mailbox.quota_full'
                    WHEN NEW.bytes < box.quota AND NEW.bytes >= 0.9 * box.quota
                         AND OLD.bytes < 0.9 * box.quota THEN 'mailbox.quota_warning' END;
    IF of_type IS NOT NULL THEN
        PERFORM emboux_mail.tell(
            of_type, 'mailbox ' || box.id, box.email, box.partner_id, box.company_id,
            box.domain_id,
            jsonb_build_object('mailbox', box.email, 'domain', box.name, 'used', NEW.bytes,
                               'quota', box.quota));
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER usage_told AFTER UPDATE ON emboux_mail.usage
    FOR EACH ROW WHEN (NEW.bytes > OLD.bytes) EXECUTE FUNCTION emboux_mail.usage_told();

-- -- the daemon ------------------------------------------------------------------------------

-- What is due: for each endpoint so many, or one of those that failed last.  Of a subject the first
-- alone; nothing of what is on its way already (``busy``), or of endpoints with enough on its way.
CREATE OR REPLACE FUNCTION emboux_mail.due_deliveries(
    busy bigint[], enough integer[], failing integer[], most integer
) RETURNS TABLE (id bigint, webhook_id integer, event_id uuid, payload text, attempts integer,
                 url text, secret text, old_secret text, headers text)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.id, w.id, d.event_id, d.payload, d.attempts, w.url::text, w.secret::text,
           CASE WHEN w.old_secret_until > emboux_mail.utc_now() THEN w.old_secret::text END,
           w.headers
      FROM emboux_webhook w
     CROSS JOIN LATERAL (
           SELECT p.id, p.event_id, p.payload, p.attempts
             FROM emboux_mail.webhook_delivery p
            WHERE p.webhook_id = w.id AND p.state = 'pending'
              AND p.next_try <= emboux_mail.utc_now() AND p.id <> ALL(busy)
              AND NOT EXISTS (SELECT FROM emboux_mail.webhook_delivery o
                               WHERE o.webhook_id = p.webhook_id AND o.subject = p.subject
                                 AND o.state = 'pending' AND o.id < p.id)
            ORDER BY p.next_try, p.id
            LIMIT CASE WHEN w.id = ANY(failing) THEN 1 ELSE most END) d
     WHERE w.state = 'enabled' AND w.id <> ALL(enough)
       AND coalesce(w.not_before <= emboux_mail.utc_now(), true)
$$;

-- How an endpoint does.  ``hold``: seconds for which it wants to be left alone.  After five days
-- without a success, or once it says that it is gone, nothing more is sent to it.
CREATE OR REPLACE FUNCTION emboux_mail.webhook_did(
    hook integer, well boolean, what text, hold double precision, gone boolean
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE moment timestamp := date_trunc('second', emboux_mail.utc_now());
BEGIN
    IF well THEN
        UPDATE emboux_webhook
           SET failing_since = NULL, problem = NULL, not_before = NULL, last_success = moment
         WHERE id = hook AND (failing_since IS NOT NULL OR not_before IS NOT NULL
                              OR last_success IS NULL
                              OR last_success < moment - interval '1 minute');
    ELSE
        UPDATE emboux_webhook
           SET failing_since = coalesce(failing_since, moment), problem = what,
               not_before = CASE WHEN hold > 0 THEN moment + hold * interval '1 second' END,
               state = CASE WHEN state = 'enabled'
                                 AND (gone OR failing_since < moment - interval '5 days')
                            THEN 'failing' ELSE state END
         WHERE id = hook;
    END IF;
END $$;

-- Private networks that webhooks may reach all the same, as the operator has set them.
CREATE OR REPLACE FUNCTION emboux_mail.webhook_networks() RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT value FROM ir_config_parameter
                      WHERE key = 'emboux_mail_api.webhook_networks'), '')
$$;
