-- What the outgoing policy reads and writes (policy/ledger.py); this file and that one know it.

-- How much was sent.  One row for a domain and one for a mailbox with a limit of its own,
-- charged in one transaction with the answer, so that any number of daemons agree.
-- The windows are derived from the clock when the row is read: what was sent in the hour of
-- "at" is nothing in the next one.  No job has to run for that.
CREATE TABLE IF NOT EXISTS emboux_mail.sent (
    subject  bigint PRIMARY KEY,       -- the id of a domain, or minus the id of a mailbox
    at       timestamptz NOT NULL,     -- the last charge; its hour, day and month (UTC) are meant
    in_hour  bigint NOT NULL DEFAULT 0,
    in_day   bigint NOT NULL DEFAULT 0,
    in_month bigint NOT NULL DEFAULT 0
) WITH (
    -- room for the new version of a row beside the old one: no index is touched (HOT)
    fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0
);

-- The loop brake: messages of one login to one recipient within an hour (UTC).  Unlogged,
-- because a brake that begins anew after a crash of PostgreSQL does no harm.
CREATE UNLOGGED TABLE IF NOT EXISTS emboux_mail.pair (
    hour integer NOT NULL,             -- hours since 1970
    hash bigint NOT NULL,              -- of login and recipient
    n    integer NOT NULL,
    PRIMARY KEY (hour, hash)
) WITH (fillfactor = 70);

-- The mean of the last seven days on which a domain sent, before this one; null without any.
-- The last day stands in "sent" until the domain sends again.
CREATE OR REPLACE FUNCTION emboux_mail.usual(domain integer, today date)
RETURNS float8 LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT avg(n)::float8 FROM (
        SELECT since, recipients AS n FROM emboux_outbound_count
         WHERE domain_id = domain AND "window" = 'day' AND since < today
         UNION ALL
        SELECT (at AT TIME ZONE 'UTC')::date, in_day FROM emboux_mail.sent
         WHERE subject = domain AND in_day > 0 AND (at AT TIME ZONE 'UTC')::date < today
         ORDER BY 1 DESC LIMIT 7
    ) AS recorded);
END $$;

-- The number by which a suppressed address is looked up (models/suppression.py, hash_of).
CREATE OR REPLACE FUNCTION emboux_mail.address_hash(address text)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('x' || left(encode(sha256(convert_to(address, 'UTF8')), 'hex'), 16))::bit(64)::bigint
$$;

-- Which of these recipients no message may reach: its place in the list, and why.  The customer
-- who sends stands at the same place in the first list (0 for nobody): what one customer's mail
-- brought about stops nobody else's.  A tag changes nothing: ann+shop@x is ann@x.
CREATE OR REPLACE FUNCTION emboux_mail.suppressed(partners integer[], recipients text[])
RETURNS TABLE (place integer, why text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF cardinality(recipients) > 0 THEN
        RETURN QUERY
        SELECT asked.place::integer, s.reason::text
          FROM unnest(partners, recipients) WITH ORDINALITY AS asked(partner, recipient, place)
          JOIN emboux_suppression s
            ON s.hash = emboux_mail.address_hash(asked.recipient) AND s.email = asked.recipient
         WHERE (s.partner_id IS NULL OR s.partner_id = asked.partner)
           AND (s.expires_at IS NULL OR s.expires_at > now() AT TIME ZONE 'UTC');
    END IF;
    -- few have a tag: for all others the look-up above is a plain join
    IF strpos(array_to_string(recipients, ''), '+') > 0 THEN
        RETURN QUERY
        SELECT asked.place::integer, s.reason::text
          FROM unnest(partners, recipients) WITH ORDINALITY AS asked(partner, recipient, place)
         CROSS JOIN LATERAL (
               SELECT regexp_replace(asked.recipient, '^([^+]+)[+].*(@[^@]*)$', '\1\2')
               ) AS form(address)
          JOIN emboux_suppression s
            ON s.hash = emboux_mail.address_hash(form.address) AND s.email = form.address
         WHERE strpos(asked.recipient, '+') > 0
           AND (s.partner_id IS NULL OR s.partner_id = asked.partner)
           AND (s.expires_at IS NULL OR s.expires_at > now() AT TIME ZONE 'UTC');
    END IF;
END $$;

-- Whether one of these domains may be ours, a claim or not: those of nobody here, which most mail
-- goes to, are told apart by one look into an index.
CREATE OR REPLACE FUNCTION emboux_mail.may_be_ours(names text[]) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM emboux_domain WHERE name = ANY(names))
        OR EXISTS (SELECT FROM emboux_backend
                    WHERE kind = 'local' AND lower(mail_host) = ANY(names));
END $$;

-- Charge messages of which the daemon has decided by what it remembers: all or nothing.  A subject
-- of which "were_at" is -1 has no row yet.  The clock (seconds since 1970) says that they are
-- charged.  Null that somebody else has charged one of the subjects meanwhile, or that a recipient
-- is suppressed or was written to too often, or that one of the domains "outside" may be ours, so
-- that its addresses have to be followed first.
DROP FUNCTION IF EXISTS emboux_mail.charge_known(
    float8, bigint[], float8[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[],
    integer, bigint[], integer[], integer, integer[], text[]);
CREATE OR REPLACE FUNCTION emboux_mail.charge_known(
    moment float8, subjects bigint[], were_at float8[],
    were_hour bigint[], were_day bigint[], were_month bigint[],
    hours bigint[], days bigint[], months bigint[],
    this_hour integer, hashes bigint[], times integer[], most integer,
    partners integer[], recipients text[], outside text[]
) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    new_rows integer := 0;
    found_rows integer;
    too_often integer;
BEGIN
    IF emboux_mail.may_be_ours(outside)
       OR EXISTS (SELECT FROM emboux_mail.suppressed(partners, recipients)) THEN
        RETURN NULL;
    END IF;
    -- in the order of the subjects, as policy/statements.py locks them
    IF -1 = ANY(were_at) THEN  -- some have never sent
        INSERT INTO emboux_mail.sent (subject, at, in_hour, in_day, in_month)
        SELECT v.subject, to_timestamp(moment), v.h, v.d, v.m
          FROM unnest(subjects, were_at, hours, days, months) AS v(subject, was_at, h, d, m)
         WHERE v.was_at = -1 ORDER BY v.subject
            ON CONFLICT (subject) DO NOTHING;
        GET DIAGNOSTICS new_rows = ROW_COUNT;
    END IF;
    UPDATE emboux_mail.sent AS s
       SET at = to_timestamp(moment), in_hour = v.h, in_day = v.d, in_month = v.m
      FROM unnest(subjects, were_at, were_hour, were_day, were_month, hours, days, months)
           AS v(subject, was_at, was_h, was_d, was_m, h, d, m)
     WHERE s.subject = v.subject AND s.at = to_timestamp(v.was_at)
       AND s.in_hour = v.was_h AND s.in_day = v.was_d AND s.in_month = v.was_m;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    IF new_rows + found_rows < cardinality(subjects) THEN
        RAISE serialization_failure;
    END IF;
    WITH counted AS (
        INSERT INTO emboux_mail.pair AS p (hour, hash, n)
        SELECT this_hour, hash, n FROM unnest(hashes, times) AS v(hash, n)
            ON CONFLICT (hour, hash) DO UPDATE SET n = p.n + excluded.n
        RETURNING n
    )
    SELECT count(*) INTO too_often FROM counted WHERE n > most;
    IF too_often > 0 THEN
        RAISE serialization_failure;
    END IF;
    RETURN extract(epoch FROM clock_timestamp());
EXCEPTION WHEN serialization_failure THEN
    RETURN NULL;
END $$;

-- Write windows that are over to the history.  A domain that has just been deleted, or is being,
-- has none; without SKIP LOCKED its deletion and a charge could wait for each other.
CREATE OR REPLACE FUNCTION emboux_mail.record(
    domains integer[], windows text[], sinces date[], counts bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO emboux_outbound_count AS c (domain_id, "window", since, recipients, frozen)
    SELECT r.domain, r.what, r.since, r.n, false
      FROM unnest(domains, windows, sinces, counts) AS r(domain, what, since, n)
      JOIN emboux_domain d ON d.id = r.domain
     ORDER BY r.domain, r.what, r.since
       FOR KEY SHARE OF d SKIP LOCKED
        ON CONFLICT (domain_id, since, "window")
        DO UPDATE SET recipients = c.recipients + excluded.recipients;
END $$;

-- Close the windows of those who have not sent since; returns how many rows it moved on.
-- For those who send, policy/ledger.py does the same with the first message of the new window.
CREATE OR REPLACE FUNCTION emboux_mail.close_windows(moment timestamptz)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    today date := (moment AT TIME ZONE 'UTC')::date;
    moved integer;
BEGIN
    WITH old AS (
        SELECT subject, (at AT TIME ZONE 'UTC')::date AS day, in_day, in_month
          FROM emboux_mail.sent
         WHERE at < today::timestamp AT TIME ZONE 'UTC'
           AND (in_day > 0 OR date_trunc('month', at AT TIME ZONE 'UTC') < date_trunc('month', today::timestamp))
         ORDER BY subject FOR UPDATE
    ), closed AS (
        SELECT subject::integer AS domain, 'day' AS what, day AS since, in_day AS n
          FROM old WHERE subject > 0 AND in_day > 0
         UNION ALL
        SELECT subject::integer, 'month', date_trunc('month', day::timestamp)::date, in_month
          FROM old WHERE subject > 0 AND in_month > 0
           AND date_trunc('month', day::timestamp) < date_trunc('month', today::timestamp)
    ), recorded AS (
        SELECT emboux_mail.record(array_agg(domain), array_agg(what), array_agg(since), array_agg(n))
          FROM closed HAVING count(*) > 0
    ), renewed AS (
        UPDATE emboux_mail.sent s
           SET at = moment, in_hour = 0, in_day = 0,
               in_month = CASE WHEN date_trunc('month', old.day::timestamp) = date_trunc('month', today::timestamp)
                               THEN s.in_month ELSE 0 END
          FROM old WHERE s.subject = old.subject
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM renewed) + 0 * (SELECT count(*) FROM recorded) INTO moved;
    RETURN moved;
END $$;

-- A spike was seen: the operator finds the domain by this mark.
CREATE OR REPLACE FUNCTION emboux_mail.flag(domain integer)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE emboux_domain SET outbound_flagged_at = date_trunc('second', now() AT TIME ZONE 'UTC')
     WHERE id = domain AND (outbound_flagged_at IS NULL
                            OR outbound_flagged_at < date_trunc('day', now() AT TIME ZONE 'UTC'))
$$;

-- What belongs to an owner and a name, whatever row stands for it: counters, recorded days, the
-- warm-up's first day, a block, what the operator has set, the transfer of the month.  It is put
-- here when the row is deleted, and given back when the same owner adds the name again.  It also
-- says who had a name last, and until when (models/domain_tenancy.py).
CREATE TABLE IF NOT EXISTS emboux_mail.kept (
    owner    integer NOT NULL,         -- a partner, 0 for nobody
    name     text NOT NULL,            -- a domain, or the address of a mailbox
    subject  bigint NOT NULL,          -- by what it was counted in "sent"
    gone_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    back_as  bigint,                   -- by what it is counted since it was given back
    owned    boolean NOT NULL,         -- it was proven to be the owner's
    sent     jsonb,                    -- its row there
    settings jsonb NOT NULL,           -- its row
    days     jsonb,                    -- of emboux_outbound_count
    moved    jsonb,                    -- of emboux_mail.transfer
    reports  integer[],                -- of emboux_webhook_event
    PRIMARY KEY (owner, name)
);
CREATE INDEX IF NOT EXISTS kept_name ON emboux_mail.kept (name, gone_at);

CREATE OR REPLACE FUNCTION emboux_mail.keep_domain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM emboux_backend WHERE id = OLD.backend_id AND kind = 'local') THEN
        INSERT INTO emboux_mail.kept (owner, name, subject, owned, sent, settings, days, moved, reports)
        SELECT coalesce(OLD.partner_id, 0), OLD.name, OLD.id, OLD.owned_since IS NOT NULL,
               (SELECT to_jsonb(s) FROM emboux_mail.sent s WHERE s.subject = OLD.id),
               to_jsonb(OLD) - 'token',
               (SELECT jsonb_agg(to_jsonb(c)) FROM emboux_outbound_count c WHERE c.domain_id = OLD.id),
               (SELECT jsonb_agg(to_jsonb(t)) FROM emboux_mail.transfer t WHERE t.domain_id = OLD.id
                   AND t.day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 32),
               (SELECT array_agg(e.id) FROM emboux_webhook_event e
                 WHERE e.domain_id = OLD.id AND e.counts)
            ON CONFLICT (owner, name) DO UPDATE
           SET subject = excluded.subject, gone_at = excluded.gone_at, back_as = NULL,
               owned = excluded.owned, sent = excluded.sent, settings = excluded.settings,
               days = excluded.days, moved = excluded.moved, reports = excluded.reports;
    END IF;
    RETURN OLD;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.keep_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO emboux_mail.kept (owner, name, subject, owned, sent, settings)
    SELECT coalesce(d.partner_id, 0), OLD.email, -OLD.id, false,
           CASE WHEN s.subject IS NOT NULL THEN to_jsonb(s) END,
           jsonb_build_object('outbound_daily_limit', OLD.outbound_daily_limit,
                              'outbound_monthly_limit', OLD.outbound_monthly_limit)
      FROM emboux_domain d
      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
      LEFT JOIN emboux_mail.sent s ON s.subject = -OLD.id
     WHERE d.id = OLD.domain_id
       AND (s.subject IS NOT NULL OR OLD.outbound_daily_limit > 0 OR OLD.outbound_monthly_limit > 0)
        ON CONFLICT (owner, name) DO UPDATE
       SET subject = excluded.subject, gone_at = excluded.gone_at, back_as = NULL,
           sent = excluded.sent, settings = excluded.settings;
    RETURN OLD;
END $$;

-- Add what was counted of a former subject to the present one.
CREATE OR REPLACE FUNCTION emboux_mail.add_sent(as_subject bigint, former jsonb)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO emboux_mail.sent AS s (subject, at, in_hour, in_day, in_month)
    SELECT as_subject, f.at, f.in_hour, f.in_day, f.in_month
      FROM jsonb_populate_record(NULL::emboux_mail.sent, former) AS f
     WHERE f.subject IS NOT NULL
        ON CONFLICT (subject) DO UPDATE
       -- of each only what is of the later one's hour, day and month
       SET at = greatest(s.at, excluded.at),
           in_hour = CASE WHEN date_trunc('hour', s.at) = date_trunc('hour', excluded.at)
                          THEN s.in_hour + excluded.in_hour
                          WHEN s.at > excluded.at THEN s.in_hour ELSE excluded.in_hour END,
           in_day = CASE WHEN date_trunc('day', s.at, 'UTC') = date_trunc('day', excluded.at, 'UTC')
                         THEN s.in_day + excluded.in_day
                         WHEN s.at > excluded.at THEN s.in_day ELSE excluded.in_day END,
           in_month = CASE WHEN date_trunc('month', s.at, 'UTC')
                                = date_trunc('month', excluded.at, 'UTC')
                           THEN s.in_month + excluded.in_month
                           WHEN s.at > excluded.at THEN s.in_month ELSE excluded.in_month END
$$;

-- Of two limits, 0 and null being none, the stricter.
CREATE OR REPLACE FUNCTION emboux_mail.stricter(one integer, other integer)
RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(least(nullif(one, 0), nullif(other, 0)), 0)
$$;

CREATE OR REPLACE FUNCTION emboux_mail.give_back_domain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    k emboux_mail.kept;
    was emboux_domain;
    held boolean;  -- suspended by the operator, and not with its owner, who has come back
BEGIN
    UPDATE emboux_mail.kept SET back_as = NEW.id
     WHERE owner = coalesce(NEW.partner_id, 0) AND name = NEW.name AND back_as IS NULL
       AND EXISTS (SELECT FROM emboux_backend WHERE id = NEW.backend_id AND kind = 'local')
    RETURNING * INTO k;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM emboux_mail.add_sent(NEW.id, k.sent);
    INSERT INTO emboux_outbound_count AS c (domain_id, "window", since, recipients, frozen)
    SELECT NEW.id, d."window", d.since, d.recipients, d.frozen
      FROM jsonb_populate_recordset(NULL::emboux_outbound_count, coalesce(k.days, '[]')) AS d
        ON CONFLICT (domain_id, since, "window")
        DO UPDATE SET recipients = c.recipients + excluded.recipients;
    INSERT INTO emboux_mail.transfer AS t (domain_id, day, bytes_in, bytes_out)
    SELECT NEW.id, m.day, m.bytes_in, m.bytes_out
      FROM jsonb_populate_recordset(NULL::emboux_mail.transfer, coalesce(k.moved, '[]')) AS m
        ON CONFLICT (domain_id, day) DO UPDATE
       SET bytes_in = t.bytes_in + excluded.bytes_in, bytes_out = t.bytes_out + excluded.bytes_out;
    UPDATE emboux_webhook_event SET domain_id = NEW.id
     WHERE id = ANY(k.reports) AND domain_id IS NULL;
    SELECT * INTO was FROM jsonb_populate_record(NULL::emboux_domain, k.settings);
    held := was.state = 'suspended' AND NEW.state <> 'suspended'
        AND NOT coalesce((k.settings->>'suspended_with_customer')::boolean, false);
    UPDATE emboux_domain d
       SET state = CASE WHEN held THEN 'suspended' ELSE d.state END,
           state_before = CASE WHEN held THEN d.state ELSE d.state_before END,
           state_reason = CASE WHEN held THEN was.state_reason ELSE d.state_reason END,
           outbound_warmup_since = least(d.outbound_warmup_since, was.outbound_warmup_since),
           outbound_flagged_at = greatest(d.outbound_flagged_at, was.outbound_flagged_at),
           outbound_status = CASE WHEN 'blocked' IN (d.outbound_status, was.outbound_status)
                                  THEN 'blocked' ELSE 'open' END,
           outbound_reason = coalesce(d.outbound_reason, was.outbound_reason),
           outbound_window_since = greatest(d.outbound_window_since, was.outbound_window_since),
           outbound_window_sent = coalesce(d.outbound_window_sent, was.outbound_window_sent),
           outbound_enforcement = was.outbound_enforcement, outbound_tier = was.outbound_tier,
           outbound_daily_limit = emboux_mail.stricter(d.outbound_daily_limit, was.outbound_daily_limit),
           outbound_monthly_limit = emboux_mail.stricter(d.outbound_monthly_limit, was.outbound_monthly_limit),
           outbound_mailbox_daily_limit = emboux_mail.stricter(
               d.outbound_mailbox_daily_limit, was.outbound_mailbox_daily_limit),
           outbound_mailbox_monthly_limit = emboux_mail.stricter(
               d.outbound_mailbox_monthly_limit, was.outbound_mailbox_monthly_limit),
           outbound_recipients_per_message = emboux_mail.stricter(
               d.outbound_recipients_per_message, was.outbound_recipients_per_message),
           outbound_warmup_start = emboux_mail.stricter(d.outbound_warmup_start, was.outbound_warmup_start),
           -- what a new domain has by itself says nothing
           outbound_hourly_fraction = CASE WHEN abs(d.outbound_hourly_fraction - 1.0 / 6) < 0.001
               THEN was.outbound_hourly_fraction
               ELSE least(d.outbound_hourly_fraction, was.outbound_hourly_fraction) END,
           outbound_spike_multiplier = CASE WHEN d.outbound_spike_multiplier = 5
               THEN was.outbound_spike_multiplier
               ELSE least(d.outbound_spike_multiplier, was.outbound_spike_multiplier) END,
           outbound_unit = coalesce(d.outbound_unit, was.outbound_unit),
           outbound_over_limit = coalesce(d.outbound_over_limit, was.outbound_over_limit),
           outbound_warmup_profile = coalesce(d.outbound_warmup_profile, was.outbound_warmup_profile)
     WHERE d.id = NEW.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.give_back_mailbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    k emboux_mail.kept;
BEGIN
    UPDATE emboux_mail.kept SET back_as = -NEW.id
     WHERE name = NEW.email AND back_as IS NULL
       AND owner = (SELECT coalesce(d.partner_id, 0) FROM emboux_domain d
                      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
                     WHERE d.id = NEW.domain_id)
    RETURNING * INTO k;
    IF FOUND THEN
        PERFORM emboux_mail.add_sent(-NEW.id, k.sent);
        UPDATE emboux_mailbox m
           SET outbound_daily_limit = emboux_mail.stricter(
                   m.outbound_daily_limit, (k.settings->>'outbound_daily_limit')::integer),
               outbound_monthly_limit = emboux_mail.stricter(
                   m.outbound_monthly_limit, (k.settings->>'outbound_monthly_limit')::integer)
         WHERE m.id = NEW.id;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_keep BEFORE DELETE ON emboux_domain
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.keep_domain();
CREATE OR REPLACE TRIGGER emboux_give_back AFTER INSERT OR UPDATE OF partner_id ON emboux_domain
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.give_back_domain();
CREATE OR REPLACE TRIGGER emboux_keep BEFORE DELETE ON emboux_mailbox
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.keep_mailbox();
CREATE OR REPLACE TRIGGER emboux_give_back AFTER INSERT ON emboux_mailbox
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.give_back_mailbox();

-- The daemons forget what they know of a domain when it changes ('*': of all).
CREATE OR REPLACE FUNCTION emboux_mail.policy_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'emboux_domain' THEN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM emboux_mail.sent WHERE subject = OLD.id;
        END IF;
        PERFORM pg_notify('emboux_policy', coalesce(NEW.id, OLD.id)::text);
    ELSIF TG_TABLE_NAME = 'emboux_mailbox' THEN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM emboux_mail.sent WHERE subject = -OLD.id;
        END IF;
        PERFORM pg_notify('emboux_policy', coalesce(NEW.domain_id, OLD.domain_id)::text);
    ELSE
        PERFORM pg_notify('emboux_policy', '*');
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER emboux_policy_changed
    AFTER INSERT OR DELETE OR UPDATE OF
        state, active, parent_id, partner_id, backend_id, outbound_inherit, outbound_status,
        outbound_reason, outbound_enforcement, outbound_unit, outbound_over_limit,
        outbound_recipients_per_message, outbound_hourly_fraction, outbound_daily_limit,
        outbound_monthly_limit, outbound_warmup_profile, outbound_warmup_start,
        outbound_warmup_since, outbound_spike_multiplier, outbound_mailbox_daily_limit,
        outbound_mailbox_monthly_limit, transfer_limit, transfer_over_limit,
        plan_outbound_daily_limit, plan_outbound_monthly_limit, plan_outbound_unit,
        plan_outbound_over_limit, plan_outbound_warmup_profile, plan_outbound_warmup_start
    ON emboux_domain FOR EACH ROW EXECUTE FUNCTION emboux_mail.policy_changed();
CREATE OR REPLACE TRIGGER emboux_policy_changed
    AFTER INSERT OR DELETE OR UPDATE OF
        email, state, active, domain_id, outbound_daily_limit, outbound_monthly_limit
    ON emboux_mailbox FOR EACH ROW EXECUTE FUNCTION emboux_mail.policy_changed();
CREATE OR REPLACE TRIGGER emboux_policy_changed
    AFTER INSERT OR DELETE OR UPDATE OF kind ON emboux_backend
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.policy_changed();
CREATE OR REPLACE TRIGGER emboux_policy_changed
    AFTER INSERT OR UPDATE OF value ON ir_config_parameter
    FOR EACH ROW WHEN (NEW.key IN (
        'emboux_mail_api.spike_floor', 'emboux_mail_api.loop_limit',
        'emboux_mail_api.warmup_start'))
    EXECUTE FUNCTION emboux_mail.policy_changed();
CREATE OR REPLACE TRIGGER emboux_policy_changed
    AFTER INSERT OR DELETE OR UPDATE ON emboux_hold_rule
    FOR EACH ROW EXECUTE FUNCTION emboux_mail.policy_changed();
CREATE OR REPLACE TRIGGER emboux_policy_unset
    AFTER DELETE ON ir_config_parameter
    FOR EACH ROW WHEN (OLD.key IN (
        'emboux_mail_api.spike_floor', 'emboux_mail_api.loop_limit',
        'emboux_mail_api.warmup_start'))
    EXECUTE FUNCTION emboux_mail.policy_changed();

-- What the operator wants to be put on hold as it comes in; empty fits everything.
CREATE OR REPLACE VIEW emboux_mail.hold_rules AS
SELECT coalesce(sender_domain, '')::text AS sender_domain, coalesce(login, '')::text AS login,
       coalesce(recipient_domain, '')::text AS recipient_domain,
       ('Held by the rule: ' || name)::text AS reason
  FROM emboux_hold_rule WHERE active ORDER BY id;
