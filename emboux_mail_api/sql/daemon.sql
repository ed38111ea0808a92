-- What the daemons say of themselves (emboux_daemons/watch.py), for Configuration > Hosts.
--
-- A role of a daemon reaches the row of that daemon alone, of whatever host.
CREATE OR REPLACE FUNCTION emboux_mail.daemon_seen(
    daemon text, at_host text, its_version text, since timestamptz, its_problem text,
    waits boolean, its_figures jsonb, stopped boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamp := (clock_timestamp() AT TIME ZONE 'UTC')::timestamp(0);
BEGIN
    -- Odoo's own role, or one of another name, may speak for all of them
    IF session_user <> 'emboux_' || daemon
       AND session_user IN ('emboux_policy', 'emboux_inbound', 'emboux_queue', 'emboux_retention',
                            'emboux_transfer', 'emboux_webhooks') THEN
        RAISE insufficient_privilege USING MESSAGE = session_user || ' does not speak for ' || daemon;
    END IF;
    IF daemon NOT IN ('policy', 'inbound', 'queue', 'retention', 'transfer', 'webhooks')
       OR length(at_host) NOT BETWEEN 1 AND 253 OR length(its_version) > 50
       OR pg_column_size(its_figures) > 2000 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'no sign of life of a daemon';
    END IF;
    -- whoever got hold of a role fills no disk
    IF NOT EXISTS (SELECT FROM emboux_daemon d WHERE d.name = daemon AND d.host = at_host)
       AND (SELECT count(*) FROM emboux_daemon d WHERE d.name = daemon) >= 200 THEN
        RAISE program_limit_exceeded USING
            MESSAGE = 'there are 200 hosts with this daemon already: delete those that are gone';
    END IF;
    INSERT INTO emboux_daemon AS d
           (name, host, version, started_at, seen_at, ended_at, problem, problem_since, standby,
            figures)
    VALUES (daemon, at_host, its_version, (since AT TIME ZONE 'UTC')::timestamp(0), moment,
            CASE WHEN stopped THEN moment END, left(its_problem, 500),
            CASE WHEN its_problem IS NOT NULL THEN moment END, waits, its_figures)
        ON CONFLICT (name, host) DO UPDATE
       SET version = excluded.version, started_at = excluded.started_at,
           seen_at = excluded.seen_at, ended_at = excluded.ended_at, problem = excluded.problem,
           problem_since = CASE WHEN excluded.problem IS NOT NULL
                                THEN coalesce(d.problem_since, excluded.problem_since) END,
           standby = excluded.standby, figures = excluded.figures
           -- the one that waits says nothing for the one that works
     WHERE NOT (excluded.standby AND NOT d.standby AND d.ended_at IS NULL
                AND d.started_at <> excluded.started_at
                AND d.seen_at > moment - interval '1 minute');
END $$;
