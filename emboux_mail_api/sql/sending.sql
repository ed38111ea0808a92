-- What a domain and a login send by, and whether they may.

-- A system parameter is asked for once in a query, not for each row: therefore (SELECT ...).

-- The views are all created again, those of an earlier version too.
DO $$
DECLARE view text;
BEGIN
    FOR view IN SELECT viewname FROM pg_views WHERE schemaname = 'emboux_mail' LOOP
        EXECUTE format('DROP VIEW IF EXISTS emboux_mail.%I CASCADE', view);
    END LOOP;
END $$;

-- A whole number among Odoo's system parameters; anything else is as if it were not set.
CREATE OR REPLACE FUNCTION emboux_mail.parameter(what text, otherwise integer)
RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT value::integer FROM ir_config_parameter
                      WHERE key = what AND value ~ '^[0-9]{1,9}$'), otherwise)
$$;

-- What a domain goes by: the one place that says what decides, for Postfix, the daemons, the forms,
-- the portal and the API alike.
-- It may send where "suspended", "blocked" and "unverified" are null; they name the domain that is
-- so, its own or its parent.  What each of them stops is for those to say who ask:
--     Postfix at login, POST outbound/increment   suspended, unverified    (outbound, sql/views.sql)
--     the policy, for each message                all of them              (policy/decision.py)
--     the queue's agent, for what waits           suspended, blocked       (queue/store.py)
--     what an alias or a mailbox passes on        all of them              (kept_from, sql/address.sql)
-- A subdomain has tier and enforcement from its wildcard parent, as they are now, unless it has
-- its own; a parent that may not send keeps its subdomains from sending in any case, because they
-- send by its verification and its key.  Limits, warm-up and spike are the owner's: of what the
-- owner's plan says (plan_...) and what the operator has set for the domain the stricter decides.
CREATE VIEW emboux_mail.sending_domains AS
SELECT d.id, d.name, d.parent_id, coalesce(d.partner_id, 0) AS partner_id,
       CASE WHEN d.state = 'suspended' THEN d.name
            WHEN p.state = 'suspended' THEN p.name END AS suspended,
       CASE WHEN d.outbound_status = 'blocked' THEN d.name
            WHEN p.outbound_status = 'blocked' THEN p.name END AS blocked,
       CASE WHEN d.outbound_status = 'blocked' THEN d.outbound_reason
            WHEN p.outbound_status = 'blocked' THEN p.outbound_reason END AS reason,
       CASE WHEN p.state <> 'verified' THEN p.name
            WHEN d.state <> 'verified' THEN d.name END AS unverified,
       CASE WHEN own.alone THEN d.outbound_tier ELSE p.outbound_tier END AS tier,
       CASE WHEN own.alone THEN d.outbound_enforcement ELSE p.outbound_enforcement END
           AS enforcement,
       CASE WHEN 'recipients' IN (d.outbound_unit, d.plan_outbound_unit) THEN 'recipients'
            ELSE coalesce(d.outbound_unit, d.plan_outbound_unit, 'recipients') END AS unit,
       CASE WHEN 'reject' IN (d.outbound_over_limit, d.plan_outbound_over_limit) THEN 'reject'
            WHEN 'hold' IN (d.outbound_over_limit, d.plan_outbound_over_limit) THEN 'hold'
            ELSE 'defer' END AS over_limit,
       coalesce(d.outbound_recipients_per_message, 0) AS per_message,
       d.outbound_hourly_fraction::float8 AS hourly_fraction,
       own.daily,
       coalesce(least(nullif(d.outbound_monthly_limit, 0),
                      nullif(d.plan_outbound_monthly_limit, 0)), 0) AS monthly,
       CASE WHEN 'conservative' IN (d.outbound_warmup_profile, d.plan_outbound_warmup_profile)
            THEN 'conservative'
            WHEN 'standard' IN (d.outbound_warmup_profile, d.plan_outbound_warmup_profile)
            THEN 'standard'
            WHEN 'fast' IN (d.outbound_warmup_profile, d.plan_outbound_warmup_profile) THEN 'fast'
            ELSE coalesce(d.outbound_warmup_profile, d.plan_outbound_warmup_profile, 'standard')
       END AS warmup_profile,
       -- nobody said with how many: then a usual number, where there is a limit to grow up to
       coalesce(least(nullif(d.outbound_warmup_start, 0), nullif(d.plan_outbound_warmup_start, 0)),
                CASE WHEN own.daily > 0
                     THEN (SELECT emboux_mail.parameter('emboux_mail_api.warmup_start', 50)) END,
                0) AS warmup_start,
       d.outbound_warmup_since AS warmup_since,
       d.outbound_spike_multiplier::float8 AS spike_multiplier,
       coalesce(d.outbound_mailbox_daily_limit, 0) AS mailbox_daily,
       coalesce(d.outbound_mailbox_monthly_limit, 0) AS mailbox_monthly,
       coalesce(least(nullif(d.alias_destination_limit, 0),
                      nullif(d.plan_alias_destination_limit, 0)),
                (SELECT emboux_mail.parameter('emboux_mail_api.alias_destinations', 100)))
           AS alias_destinations,
       coalesce(least(nullif(d.alias_depth_limit, 0), nullif(d.plan_alias_depth_limit, 0)),
                (SELECT emboux_mail.parameter('emboux_mail_api.alias_depth', 10))) AS alias_depth,
       (SELECT emboux_mail.parameter('emboux_mail_api.spike_floor', 50)) AS spike_floor,
       (SELECT emboux_mail.parameter('emboux_mail_api.loop_limit', 60)) AS loop_limit,
       CASE WHEN emboux_mail.over_transfer(d.id, d.transfer_limit, d.transfer_over_limit)
            THEN d.name END AS over_transfer,
       -- several may claim a name at once
       d.owned_since IS NOT NULL AS owned
  FROM emboux_domain d
  JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
  LEFT JOIN emboux_domain p ON p.id = d.parent_id
 CROSS JOIN LATERAL (
       SELECT p.id IS NULL OR NOT coalesce(d.outbound_inherit, true) AS alone,
              coalesce(least(nullif(d.outbound_daily_limit, 0),
                             nullif(d.plan_outbound_daily_limit, 0)), 0) AS daily
       ) AS own
 WHERE d.active;

-- What a login goes by: as its domain, and "mailbox_suspended".
CREATE VIEW emboux_mail.sending AS
SELECT m.email AS login, m.id AS mailbox_id, m.state = 'suspended' AS mailbox_suspended,
       coalesce(nullif(m.outbound_daily_limit, 0), d.mailbox_daily) AS own_daily,
       coalesce(nullif(m.outbound_monthly_limit, 0), d.mailbox_monthly) AS own_monthly, d.*
  FROM emboux_mailbox m
  JOIN emboux_mail.sending_domains d ON d.id = m.domain_id
 WHERE m.active AND d.owned;

