-- The message log: what became of each message, for each recipient (transfer/story.py writes it).
-- Personal data, so each row has a last day; a day's rows are a partition, which is dropped.

-- each number is the first of a thousand (transfer/store.py)
CREATE SEQUENCE IF NOT EXISTS emboux_mail.message_id INCREMENT 1000;

CREATE TABLE IF NOT EXISTS emboux_mail.message (
    id          bigint NOT NULL,
    expires     date NOT NULL,          -- the first day (UTC) on which it is gone
    at          timestamp NOT NULL,     -- when it came: whole seconds, UTC
    changed_at  timestamp NOT NULL,     -- when something last happened to it
    direction   text NOT NULL,          -- in, out, internal, forwarded
    status      text NOT NULL,
    -- whose it was then: a domain that is given to somebody else does not take its log along
    domain_id   integer,
    partner_id  integer,
    company_id  integer,
    host        text NOT NULL,          -- the mail server; queue ids are its own
    queue_id    text NOT NULL,          -- empty for what was refused at once
    message_id  text NOT NULL,          -- of the header, without angle brackets
    login       text NOT NULL,          -- who submitted it; empty for mail from outside
    client      text NOT NULL,          -- name[address] of who brought it
    sender      text NOT NULL,          -- of the envelope; empty for reports
    recipient   text NOT NULL,          -- empty while it is not known
    original_recipient text NOT NULL,   -- before an alias was expanded, or empty
    size        bigint,                 -- bytes
    attempts    integer NOT NULL,
    relay       text NOT NULL,          -- name[address]:port of the last attempt
    receiver    text NOT NULL,          -- its organisation, for example google.com
    dsn         text NOT NULL,          -- enhanced status code (RFC 3463)
    answer      text NOT NULL,          -- the last answer
    events      jsonb NOT NULL,         -- [{"at", "kind", ...}], in no order
    -- the tag of its envelope sender, where it has one of its own: of what was sent by HTTP each
    -- row, by SMTP all rows of a message; and what the sender said of it
    from_id     text NOT NULL DEFAULT '',
    extra       jsonb,
    tags        jsonb,
    PRIMARY KEY (id, expires)
) PARTITION BY RANGE (expires);

-- the newest of everybody, of a customer, of a domain
CREATE INDEX IF NOT EXISTS message_at ON emboux_mail.message (at, id);
CREATE INDEX IF NOT EXISTS message_partner ON emboux_mail.message (partner_id, at, id);
CREATE INDEX IF NOT EXISTS message_domain ON emboux_mail.message (domain_id, at, id);
-- a message by its names
CREATE INDEX IF NOT EXISTS message_header_id ON emboux_mail.message USING hash (message_id);
CREATE INDEX IF NOT EXISTS message_queue_id ON emboux_mail.message USING hash (queue_id);
CREATE INDEX IF NOT EXISTS message_from_id ON emboux_mail.message USING hash (from_id)
    WHERE from_id <> '';
-- a whole address, of which all parts may be common
CREATE INDEX IF NOT EXISTS message_recipient ON emboux_mail.message USING hash (recipient);
CREATE INDEX IF NOT EXISTS message_sender ON emboux_mail.message USING hash (sender);
-- a part of an address; and of the answer, where it tells more than that all went well: with whose
-- it is, because a common one is in very many rows, of which a customer has few
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;
CREATE INDEX IF NOT EXISTS message_parts ON emboux_mail.message
    USING gin (recipient gin_trgm_ops, sender gin_trgm_ops);
CREATE INDEX IF NOT EXISTS message_partner_answer ON emboux_mail.message
    USING gin (partner_id, answer gin_trgm_ops) WHERE status NOT IN ('delivered', 'received');
DROP INDEX IF EXISTS emboux_mail.message_answer;  -- what was there before

-- A domain has one owner at a time: else the planner takes the newest of a domain and its owner for
-- far fewer than they are, and sorts them all.  Each partition has it too.
CREATE STATISTICS IF NOT EXISTS emboux_mail.message_owner (dependencies)
    ON domain_id, partner_id FROM emboux_mail.message;

-- What is deleted is referred to no more.  No foreign keys: each row would be checked against three
-- tables when it is written, where a domain is deleted once.
CREATE OR REPLACE FUNCTION emboux_mail.forget_in_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'emboux_domain' THEN
        UPDATE emboux_mail.message SET domain_id = NULL WHERE domain_id = OLD.id;
    ELSE
        UPDATE emboux_mail.message SET partner_id = NULL WHERE partner_id = OLD.id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER emboux_domain_messages AFTER DELETE ON emboux_domain
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.forget_in_messages();
CREATE OR REPLACE TRIGGER emboux_partner_messages AFTER DELETE ON res_partner
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.forget_in_messages();

-- What was sent by HTTP has a row before Postfix knows of it, by its envelope sender; the login
-- may use that sender.  Nobody may use one that Postfix gave to a message.
CREATE OR REPLACE FUNCTION emboux_mail.sent_by_http(from_ids text[])
RETURNS TABLE (from_id text, id bigint, expires date, status text, attempts integer,
               recipient text, login text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.from_id, m.id, m.expires, m.status, m.attempts, m.recipient, m.login
      FROM emboux_mail.message m WHERE m.from_id = ANY(from_ids) AND m.from_id <> ''
       AND m.client = 'HTTP'
$$;

-- Half of what is known of a delivery, by Dovecot's session: Postfix and Dovecot each log their
-- part of it.  The session '' has the connections with TLS of Postfix' processes.
CREATE TABLE IF NOT EXISTS emboux_mail.log_session (
    host     text NOT NULL,
    session  text NOT NULL,
    state    jsonb NOT NULL,
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (host, session)
);

-- What people did with messages of the queue before the log told of them.
CREATE TABLE IF NOT EXISTS emboux_mail.message_act (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host     text NOT NULL,
    queue_id text NOT NULL,
    event    jsonb NOT NULL,
    at       timestamp NOT NULL
);

-- The domains of these names that are ours, whose they are, and for how many days their messages
-- are kept.
CREATE OR REPLACE FUNCTION emboux_mail.log_domains(names text[])
RETURNS TABLE (name text, id integer, partner_id integer, company_id integer, days integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT d.name::text, d.id, d.partner_id, d.company_id,
           least(nullif(d.message_days, 0), all_days.n)
      FROM emboux_domain d
      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
     CROSS JOIN (SELECT greatest(1, emboux_mail.parameter('emboux_mail_api.message_days', 30))
                        ::integer AS n) AS all_days
     WHERE d.name = ANY(names) AND d.owned_since IS NOT NULL
$$;

-- The partition of each of these days.  It is made apart and then attached, which keeps nobody
-- from reading or writing the others.
CREATE OR REPLACE FUNCTION emboux_mail.message_days(days date[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE day date; part text;
BEGIN
    FOREACH day IN ARRAY days LOOP
        part := 'message_' || to_char(day, 'YYYYMMDD');
        IF to_regclass('emboux_mail.' || part) IS NOT NULL THEN
            CONTINUE;
        END IF;
        -- of two mail servers that begin a day, one
        PERFORM pg_advisory_xact_lock(hashtext('emboux_mail.message_days'));
        IF to_regclass('emboux_mail.' || part) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE emboux_mail.%I (LIKE emboux_mail.message INCLUDING DEFAULTS'
                ' INCLUDING STATISTICS)', part);
            EXECUTE format(
                'ALTER TABLE emboux_mail.message ATTACH PARTITION emboux_mail.%I'
                ' FOR VALUES FROM (%L) TO (%L)', part, day, day + 1);
        END IF;
    END LOOP;
END $$;

-- The rank of a status: it gives way to those of its own and of higher ones (transfer/story.py).
CREATE OR REPLACE FUNCTION emboux_mail.status_rank(status text)
RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN status IS NULL THEN -1
                WHEN status IN ('accepted', 'held', 'delayed') THEN 0
                WHEN status IN ('delivered', 'received') THEN 1
                WHEN status = 'bounced' THEN 3
                WHEN status = 'complained' THEN 4
                ELSE 2 END
$$;

-- Add an event to what a domain has sent to a recipient: by its Message-ID, or else by what the
-- server that took it has called it in its answer.  Returns how many rows that are.
CREATE OR REPLACE FUNCTION emboux_mail.note_message(
    by_domain integer, header_id text, handed text, to_address text, moment timestamp,
    new_status text, event jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE found bigint;
BEGIN
    UPDATE emboux_mail.message AS m
       SET events = CASE WHEN m.events @> jsonb_build_array(event) THEN m.events  -- told again
                         ELSE m.events || event END,
           changed_at = greatest(m.changed_at, moment),
           status = CASE WHEN emboux_mail.status_rank(new_status)
                              >= emboux_mail.status_rank(m.status)
                         THEN new_status ELSE m.status END
     WHERE (m.id, m.expires) IN (
           SELECT o.id, o.expires FROM emboux_mail.message o
            WHERE header_id <> '' AND o.message_id = header_id
           UNION ALL
           SELECT o.id, o.expires FROM emboux_mail.message o
            WHERE header_id = '' AND handed <> ''
              AND o.answer LIKE '%' || handed || '%'
              AND o.status NOT IN ('delivered', 'received'))
       AND m.domain_id = by_domain AND m.recipient = to_address
       AND m.direction IN ('out', 'forwarded');
    GET DIAGNOSTICS found = ROW_COUNT;
    RETURN found;
END $$;

-- The partitions, each with the day on which it is gone; and what is left of those whose end was
-- interrupted.
CREATE OR REPLACE FUNCTION emboux_mail.message_parts()
RETURNS TABLE (part text, day date, attached boolean, leaving boolean) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, to_date(right(c.relname, 8), 'YYYYMMDD'), i.inhrelid IS NOT NULL,
           coalesce(i.inhdetachpending, false)
      FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE s.nspname = 'emboux_mail' AND c.relkind = 'r' AND c.relname ~ '^message_\d{8}$'
$$;
