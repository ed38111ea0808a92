-- What the domains' mail has moved, as the mail servers' logs say (transfer/follow.py reads them).

-- Of each domain and day (UTC): what came into its mailboxes, and what left them.
CREATE TABLE IF NOT EXISTS emboux_mail.transfer (
    domain_id integer NOT NULL REFERENCES emboux_domain (id) ON DELETE CASCADE,
    day       date NOT NULL,
    bytes_in  bigint NOT NULL DEFAULT 0,
    bytes_out bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (domain_id, day)
);
-- the nightly count of usage reads the last days of all domains
CREATE INDEX IF NOT EXISTS transfer_day ON emboux_mail.transfer (day);

-- How far each log was read: written in one transaction with what was read, so that each line
-- counts once, whatever ends the reader.
CREATE TABLE IF NOT EXISTS emboux_mail.log_position (
    host   text NOT NULL,   -- the mail server's name
    path   text NOT NULL,
    inode  bigint NOT NULL,
    head   text NOT NULL,   -- of the file's first line, because inodes are used again
    "offset" bigint NOT NULL,
    read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (host, path)
);

-- Messages that are on their way through Postfix: their size comes on one line of the log, where
-- they go on another.
CREATE TABLE IF NOT EXISTS emboux_mail.log_message (
    host     text NOT NULL,
    queue_id text NOT NULL,
    state    jsonb NOT NULL,  -- transfer/book.py, Message
    seen_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (host, queue_id)
);

-- What a domain has moved in the month (UTC) of a moment.
CREATE OR REPLACE FUNCTION emboux_mail.transfer_in_month(domain integer, moment timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(sum(bytes_in + bytes_out), 0)::bigint FROM emboux_mail.transfer
             WHERE domain_id = domain
               AND day >= date_trunc('month', moment AT TIME ZONE 'UTC')::date
               AND day < (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month')::date);
END $$;

-- Whether a domain's mail waits for the next month.
CREATE OR REPLACE FUNCTION emboux_mail.over_transfer(domain integer, most numeric, what text)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN what = 'defer' AND most > 0
       AND emboux_mail.transfer_in_month(domain, clock_timestamp()) >= most;
END $$;

-- Add what was moved; domains that are not here (any more) are passed over.  The policy daemons
-- are told of those whose limit is reached by it.
CREATE OR REPLACE FUNCTION emboux_mail.add_transfer(
    names text[], days date[], ins bigint[], outs bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO emboux_mail.transfer AS t (domain_id, day, bytes_in, bytes_out)
    SELECT d.id, a.day, sum(a.bytes_in)::bigint, sum(a.bytes_out)::bigint
      FROM unnest(names, days, ins, outs) AS a(name, day, bytes_in, bytes_out)
      JOIN emboux_domain d ON d.name = a.name AND d.owned_since IS NOT NULL
      JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
     GROUP BY d.id, a.day
     ORDER BY d.id, a.day
        ON CONFLICT (domain_id, day) DO UPDATE
       SET bytes_in = t.bytes_in + excluded.bytes_in, bytes_out = t.bytes_out + excluded.bytes_out;
    PERFORM pg_notify('emboux_policy', s.id::text)
       FROM (SELECT d.id, d.transfer_limit, sum(a.bytes_in + a.bytes_out) AS more,
                    emboux_mail.transfer_in_month(d.id, clock_timestamp()) AS used
               FROM unnest(names, ins, outs) AS a(name, bytes_in, bytes_out)
               JOIN emboux_domain d ON d.name = a.name AND d.owned_since IS NOT NULL
              WHERE d.transfer_over_limit = 'defer' AND d.transfer_limit > 0
              GROUP BY d.id, d.transfer_limit) AS s
      WHERE s.used >= s.transfer_limit AND s.used - s.more < s.transfer_limit;
END $$;
