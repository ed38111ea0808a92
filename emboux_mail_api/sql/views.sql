-- The data as Postfix, Dovecot and the signer read it.  Every look-up uses an index:
-- emboux_domain (name), emboux_mailbox (email), emboux_alias (email), and for senders a
-- partial index on the few mailboxes that send for a whole domain.
-- Each view names its readers; sql/grants.sql says which role may read what.

-- The domains of the local backend; the other views build on it, nobody else reads it.
-- Only proven ones: several may claim a name at once, and an unproven claim shows in no look-up,
-- whether by name, by address or by login.  So it holds no mail either.
CREATE VIEW emboux_mail.hosted AS
SELECT d.id, d.name, d.unicode_name, d.parent_id, d.is_wildcard, d.state,
       d.owned_since IS NOT NULL AS owned, d.transfer_limit, d.transfer_over_limit
  FROM emboux_domain d
  JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
 WHERE d.active AND d.owned_since IS NOT NULL;

-- Which provider carries and signs a domain's mail, and whether it is ready to take it.  Apart from
-- the view above, which Postfix asks ten times a recipient: each join costs time to be planned.
CREATE VIEW emboux_mail.carried AS
SELECT d.id AS domain_id, coalesce(v.kind, 'dkim') AS carrier,
       CASE v.kind WHEN 'mailgun' THEN r.credential_at IS NOT NULL
                   WHEN 'ses' THEN v.smtp_password IS NOT NULL
                        -- as _is_registered in models/registration.py: to ask again stops no mail
                        AND (r.state = 'done'
                             OR r.state = 'pending' AND r.verdict IN ('pending', 'verified'))
                   ELSE true END AS relay_ready,
       v.id AS provider_id, r.login AS relay_login, r.password AS relay_password
  FROM emboux_domain d
  LEFT JOIN emboux_provider v ON v.id = d.provider_id
  LEFT JOIN emboux_registration r ON r.domain_id = d.id AND r.provider_id = d.provider_id;

-- The mailboxes of proven domains.  A domain that somebody merely claims must show in no look-up:
-- Postfix asks these for outside recipients too, and would take gmail.com for ours.
CREATE VIEW emboux_mail.held AS
SELECT m.id, m.email, m.domain_id, m.state, m.send_as, m.mail_folder, m.password_hash,
       m.service_password_hash, m.quota_mb * 1048576::bigint AS quota_bytes, d.name AS domain,
       -- who is neither logs in, nor gets mail, nor is old mail of theirs removed
       m.state = 'suspended' OR d.state = 'suspended' AS suspended
  FROM emboux_mailbox m
  JOIN emboux_mail.hosted d ON d.id = m.domain_id AND d.owned
 WHERE m.active;

-- Postfix virtual_mailbox_domains: proven domains, so that nobody can take the mail of a
-- domain that is not theirs; suspended ones too, else their mail would bounce as "relay denied".
-- And the mail server's own name, by which its postmaster is reached.
CREATE VIEW emboux_mail.domains AS
SELECT name FROM emboux_mail.hosted WHERE owned
 UNION ALL
SELECT lower(b.mail_host)::varchar FROM emboux_backend b
 WHERE b.kind = 'local' AND b.active AND b.mail_host <> ''
   AND NOT EXISTS (SELECT FROM emboux_mail.hosted h WHERE h.name = lower(b.mail_host) AND h.owned);

-- Postfix virtual_mailbox_maps.
CREATE VIEW emboux_mail.mailboxes AS
SELECT email FROM emboux_mail.held;

-- Postfix virtual_alias_maps.  A catch-all is the row '@domain'.  Each mailbox is an alias of
-- itself, else the catch-all would be asked before the mailbox and take all mail.
-- "of_domain": the domain whose alias passes the mail on, and answers for what leaves; null where
-- it is a mailbox.
CREATE VIEW emboux_mail.aliases AS
SELECT a.email AS address, destination, a.domain_id AS of_domain
  FROM emboux_alias a
  JOIN emboux_mail.hosted d ON d.id = a.domain_id AND d.owned
 CROSS JOIN LATERAL regexp_split_to_table(a.destinations, '\n') AS destination
 WHERE a.active
 UNION ALL
SELECT email, email, NULL FROM emboux_mail.held;

-- Postfix transport_maps: mailboxes whose mail is handed to an Odoo; and how, for the daemon that
-- does it (`odoo emboux_inbound`).  Without a URL it is this database's Odoo, which files it, or
-- tells a webhook of it.
CREATE VIEW emboux_mail.pushed AS
SELECT h.email, h.suspended,
       CASE WHEN m.push_secret IS NULL THEN '/emboux/received/' ELSE '/emboux/inbound/' END || m.id
           AS path,
       CASE WHEN m.push_secret IS NOT NULL THEN m.push_url END AS url,
       coalesce(m.push_secret, own.value) AS secret,
       EXISTS (SELECT FROM ir_config_parameter
                WHERE key = 'emboux_mail_api.push_allow_private' AND lower(value) IN ('true', '1'))
           AS may_be_private
  FROM emboux_mail.held h
  JOIN emboux_mailbox m ON m.id = h.id
  LEFT JOIN ir_config_parameter own ON own.key = 'emboux_mail_api.returns_secret'
 WHERE m.push_secret IS NOT NULL OR m.webhook_id IS NOT NULL;

CREATE VIEW emboux_mail.transports AS
SELECT email FROM emboux_mail.pushed WHERE NOT suspended;

-- With what the daemon signs reports about mail that was sent by HTTP, for this database's Odoo.
CREATE VIEW emboux_mail.returns AS
SELECT value AS secret FROM ir_config_parameter WHERE key = 'emboux_mail_api.returns_secret';

-- Postfix check_recipient_access, by address and by domain: who takes no mail now.
-- 450 and not 550: the sender's server keeps the mail and tries again, nothing is lost.
CREATE VIEW emboux_mail.inbound AS
SELECT name AS key,
       CASE WHEN state = 'suspended' THEN '450 4.2.1 This domain is suspended, try again later'
            ELSE '450 4.2.2 This domain has used up its traffic of this month, try again later'
       END AS action
  FROM emboux_mail.hosted
 WHERE owned AND (state = 'suspended'
                  OR emboux_mail.over_transfer(id, transfer_limit, transfer_over_limit))
 UNION ALL
SELECT email, '450 4.2.1 This mailbox is suspended, try again later'
  FROM emboux_mail.held WHERE state = 'suspended';

-- Postfix smtpd_sender_login_maps: the address itself ...
CREATE VIEW emboux_mail.senders AS
SELECT m.email AS address, m.email AS login
  FROM emboux_mailbox m JOIN emboux_mail.hosted d ON d.id = m.domain_id
 WHERE m.active;

-- ... and the logins that may use any address of a domain: its own mailboxes that send for
-- the domain, and those of its wildcard parent, if both have one owner.  The operator's domains
-- have none, so IS NOT DISTINCT FROM: under the operator's parents most subdomains are customers'.
CREATE VIEW emboux_mail.domain_senders AS
SELECT d.name AS domain, m.email AS login
  FROM emboux_mail.hosted d
  JOIN emboux_mailbox m ON m.domain_id = d.id AND m.send_as = 'domain' AND m.active
 WHERE d.owned
 UNION ALL
SELECT d.name, m.email
  FROM emboux_mail.hosted d
  JOIN emboux_mailbox m ON m.domain_id = d.parent_id AND m.send_as = 'domain' AND m.active
  JOIN emboux_domain own ON own.id = d.id
  JOIN emboux_domain above ON above.id = d.parent_id
   AND above.partner_id IS NOT DISTINCT FROM own.partner_id
 WHERE d.owned;

-- A name, and its Unicode form where it has another: whoever asks by what stands in a header gets
-- one answer for both.
CREATE VIEW emboux_mail.labels AS
SELECT id AS domain_id, name AS label FROM emboux_mail.hosted
 UNION ALL
SELECT id, unicode_name FROM emboux_mail.hosted WHERE unicode_name <> name;

-- The signer: whole domains that may stand in the From header of a login's mail; of subdomains
-- those of the same owner, as in domain_senders.
CREATE VIEW emboux_mail.header_senders AS
SELECT email AS login, domain FROM emboux_mail.held WHERE send_as = 'domain'
 UNION ALL
SELECT m.email, child.name
  FROM emboux_mail.held m
  JOIN emboux_mail.hosted child ON child.parent_id = m.domain_id AND child.owned
  JOIN emboux_domain own ON own.id = child.id
  JOIN emboux_domain above ON above.id = m.domain_id
   AND above.partner_id IS NOT DISTINCT FROM own.partner_id
 WHERE m.send_as = 'domain';

-- Domains whose mailboxes Postfix lets not send, and what they are told.  What is blocked, or over a
-- limit, it hears from the policy.
CREATE VIEW emboux_mail.stopped AS
SELECT d.id AS domain_id,
       CASE WHEN d.suspended = d.name
            THEN '554 5.7.1 The domain ' || d.name || ' is suspended; ask its administrator'
            WHEN d.unverified IS NOT NULL
            THEN '554 5.7.1 The domain ' || d.name || ' is not verified yet:'
                 || ' publish its DNS records, then send again'
            ELSE '554 5.7.1 The domain ' || d.name || ' has no SMTP login at its provider yet:'
                 || ' ask the operator to activate its sending'
       END AS action
  FROM emboux_mail.sending_domains d
  JOIN emboux_mail.carried c ON c.domain_id = d.id
 WHERE d.owned AND (d.unverified IS NOT NULL OR NOT c.relay_ready);

-- Postfix check_sasl_access: logins that may not send now, also in a session that is open.
-- POST outbound/increment asks these two as well (models/domain_sending.py).
CREATE VIEW emboux_mail.outbound AS
SELECT l.login,
       CASE WHEN l.mailbox_suspended
            THEN '554 5.7.1 This mailbox is suspended and may not send; ask its administrator'
            ELSE s.action
       END AS action
  FROM emboux_mail.sending l
  LEFT JOIN emboux_mail.stopped s ON s.domain_id = l.id
 WHERE l.mailbox_suspended OR s.domain_id IS NOT NULL;

-- Postfix sender_dependent_default_transport_maps: by which relay a domain's mail leaves.
-- The transports relay-implicit and relay-starttls are those of master.cf.
CREATE VIEW emboux_mail.relays AS
SELECT d.name AS domain,
       'relay-' || v.relay_tls || ':[' || v.relay_host || ']:' || v.relay_port AS transport
  FROM emboux_mail.hosted d
  JOIN emboux_domain o ON o.id = d.id
  JOIN emboux_provider v ON v.id = o.provider_id
 WHERE v.kind <> 'dkim';

-- Postfix smtp_sasl_password_maps: what is said at the relay, for each sender's domain.
CREATE VIEW emboux_mail.relay_logins AS
SELECT d.name AS domain,
       CASE c.carrier WHEN 'ses' THEN v.smtp_login || ':' || v.smtp_password
                      ELSE c.relay_login || ':' || c.relay_password END AS login
  FROM emboux_mail.hosted d
  JOIN emboux_mail.carried c ON c.domain_id = d.id
  JOIN emboux_provider v ON v.id = c.provider_id
 WHERE c.carrier <> 'dkim' AND c.relay_ready;

-- Dovecot passdb.
-- argon2id is Dovecot's default here, bcrypt comes with mailboxes that moved in with their hash.
CREATE VIEW emboux_mail.logins AS
SELECT email,
       CASE WHEN password_hash LIKE '$2%' THEN '{BLF-CRYPT}' ELSE '' END || password_hash
           AS password,
       mail_folder, quota_bytes
  FROM emboux_mail.held
 WHERE NOT suspended AND password_hash IS NOT NULL;

-- Dovecot's second passdb: the password that only Odoo's outgoing server knows.
CREATE VIEW emboux_mail.service_logins AS
SELECT email, service_password_hash AS password
  FROM emboux_mail.held
 WHERE NOT suspended AND service_password_hash IS NOT NULL;

-- Dovecot's second passdb asks this: what Odoo's outgoing server knows; and as ann+api@, what this
-- Odoo knows, which sends by HTTP (models/message_send.py).  That one is made of a secret of this
-- database and of the mailbox' folder, and random enough for a hash that is fast.
CREATE OR REPLACE FUNCTION emboux_mail.service_login_of(asked text)
RETURNS TABLE (email text, password text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    IF normal LIKE '%+api@%' THEN
        RETURN QUERY
        SELECT h.email::text, '{SHA256.HEX}' || encode(sha256(convert_to(encode(sha256(convert_to(
               p.value || ':' || h.mail_folder, 'UTF8')), 'hex'), 'UTF8')), 'hex')
          FROM emboux_mail.held h
          JOIN ir_config_parameter p ON p.key = 'emboux_mail_api.send_secret'
         WHERE h.email = emboux_mail.without_tag(normal) AND NOT h.suspended;
    ELSE
        RETURN QUERY SELECT l.email::text, l.password::text
                       FROM emboux_mail.service_logins l WHERE l.email = normal;
    END IF;
END $$;

-- Dovecot userdb.  The folder has a name of its own: an address that is given to somebody else
-- later does not come with the mail of the one before.
-- Mail that reaches a suspended mailbox by an alias finds it at delivery, and waits in the queue.
CREATE VIEW emboux_mail.users AS
SELECT email, mail_folder, quota_bytes, suspended FROM emboux_mail.held;

-- OpenDKIM's look-up by the domain of the From header: the key that signs, one of each type.
-- A subdomain signs with its parent's (d=parent).  A view for each type, because one OpenDKIM
-- makes signatures of one algorithm, and a key of the other type would spoil them.
CREATE VIEW emboux_mail.dkim_signing AS
SELECT l.label AS lookup, k.id::text AS key_name
  FROM emboux_mail.labels l
  JOIN emboux_mail.hosted d ON d.id = l.domain_id
  JOIN emboux_dkim_key k
    ON k.domain_id = COALESCE(d.parent_id, d.id) AND k.signs AND k.key_type = 'rsa'
  JOIN emboux_mail.carried c ON c.domain_id = d.id AND c.carrier = 'dkim';

CREATE VIEW emboux_mail.dkim_signing_ed25519 AS
SELECT l.label AS lookup, k.id::text AS key_name
  FROM emboux_mail.labels l
  JOIN emboux_mail.hosted d ON d.id = l.domain_id
  JOIN emboux_dkim_key k
    ON k.domain_id = COALESCE(d.parent_id, d.id) AND k.signs AND k.key_type = 'ed25519'
  JOIN emboux_mail.carried c ON c.domain_id = d.id AND c.carrier = 'dkim';

-- OpenDKIM KeyTable.  Keys that wait for their DNS, or sign no more, are not for the signer.
CREATE VIEW emboux_mail.dkim_keys AS
SELECT k.id::text AS key_name, d.name AS domain, k.selector, k.private_key
  FROM emboux_dkim_key k JOIN emboux_mail.hosted d ON d.id = k.domain_id
 WHERE k.signs;

-- The addresses that a list of destinations leads to: a tag after + reaches the same mailbox.  The
-- expression is that of an index of emboux_alias, by which "who leads to this mailbox" is answered
-- (DESTINATIONS_SQL in emboux_core/models/alias.py); a function in SQL is put in its place by the planner.
CREATE OR REPLACE FUNCTION emboux_mail.goals(destinations text)
RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_to_array(regexp_replace(destinations, '[+][^@\n]*@', '@', 'g'), E'\n')
$$;

-- Whether mail for an address can be delivered: to somebody outside, or to a mailbox here that
-- takes mail now, and not in a circle.
DROP FUNCTION IF EXISTS emboux_mail.leads_to(text);
CREATE OR REPLACE FUNCTION emboux_mail.arrives(candidate text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    goal record;
BEGIN
    FOR goal IN SELECT f.fate, f.address FROM emboux_mail.follow(
        ARRAY[lower(candidate)], false) f
    LOOP
        IF goal.fate IN ('unknown', 'loop', 'many', 'deep')
           OR goal.fate = 'local' AND EXISTS (
                SELECT FROM emboux_mail.users u
                 WHERE u.email = emboux_mail.without_tag(goal.address) AND u.suspended)
        THEN
            RETURN false;
        END IF;
    END LOOP;
    -- the mail server's own name is followed nowhere, and nobody has a mailbox there
    RETURN FOUND OR NOT EXISTS (
        SELECT FROM emboux_mail.domains d WHERE d.name = split_part(lower(candidate), '@', 2));
END $$;

-- postmaster@ and abuse@ of each domain always arrive (RFC 5321 4.5.1, RFC 2142): where nobody has
-- that address and no catch-all takes it, at the first of these to which mail can be delivered: the
-- domain's owner, whoever is responsible for it, the operator.  The same holds for the mail
-- server's own.
CREATE OR REPLACE FUNCTION emboux_mail.role_destinations(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE place record;
BEGIN
    IF asked NOT LIKE 'postmaster@%' AND asked NOT LIKE 'abuse@%' THEN
        RETURN;
    END IF;
    SELECT h.id, o.partner_id, o.user_id INTO place
      FROM emboux_mail.domains n
      LEFT JOIN emboux_mail.hosted h ON h.name = n.name AND h.owned
      LEFT JOIN emboux_domain o ON o.id = h.id
     WHERE n.name = split_part(asked, '@', 2);
    IF NOT FOUND OR EXISTS (
        SELECT FROM emboux_mail.aliases a
         WHERE a.address IN (asked, '@' || split_part(asked, '@', 2)))
    THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT c.email::text FROM (
        SELECT 1 AS rank, p.email_normalized AS email
          FROM res_partner p WHERE p.id = place.partner_id
         UNION ALL
        SELECT 2, c.email_normalized
          FROM res_partner p JOIN res_partner c ON c.id = p.commercial_partner_id
         WHERE p.id = place.partner_id
         UNION ALL
        -- 1 is Odoo itself
        SELECT 3, p.email_normalized
          FROM res_users u JOIN res_partner p ON p.id = u.partner_id
         WHERE u.id = place.user_id AND u.id > 1 AND u.active
         UNION ALL
        SELECT 4, b.postmaster FROM emboux_backend b WHERE b.kind = 'local'
         UNION ALL
        (SELECT 5, p.email_normalized
           FROM res_company c JOIN res_partner p ON p.id = c.partner_id
          WHERE c.active AND c.id = coalesce((SELECT company_id FROM emboux_backend
                                               WHERE kind = 'local'),
                                             (SELECT min(id) FROM res_company WHERE active)))
    ) AS c
     WHERE c.email ~ '^[!-~]+@[a-z0-9.-]+$' AND emboux_mail.arrives(c.email)
     ORDER BY c.rank LIMIT 1;
END $$;

-- A quoted string of Sieve (RFC 5228 2.4.2, 5229 3): nothing but the two letters, and what begins
-- a variable, means anything in it, because the script does not require "encoded-character".
CREATE OR REPLACE FUNCTION emboux_mail.sieve_string(value text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '"' || replace(replace(replace(value, '\', '\\'), '"', '\"'), '${', '${dollar}{') || '"'
$$;

-- Any address that is this one with a tag, as a pattern of Sieve (RFC 5228 2.7.1); no address of
-- ours has a letter that means something in one.
CREATE OR REPLACE FUNCTION emboux_mail.sieve_tagged(email text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT emboux_mail.sieve_string(replace(email, '@', '+*@'))
$$;

-- Dovecot's sieve_before, for each mailbox (without a row, Pigeonhole 2.4.1 defers its mail): the
-- script, under an id that changes with its rules.  Dovecot looks up the id by the name, and then the
-- script by the id: what a message that comes in between has left of the mailbox' room must not
-- change it.  So let Pigeonhole keep no compiled scripts (bindir, sieve_script_bin_path).
-- Days are those of the mail server's time zone.
-- The reply goes to whoever wrote to the mailbox or, in any domain of its owner, to an alias that
-- leads to it, by way of others too and with a tag (RFC 5230 4.5); not to mailing lists.  Dovecot
-- compares whole addresses, so that the tagged one is taken from the message.  All of them are so
-- many letters that the script passes through Dovecot's dict, whose lines are of 64 KiB.
-- What does not fit is put where it fails and waits with Postfix, before anything is sent of it:
-- else each retry would forward and reply once more (seen with Pigeonhole 0.5.19 and 2.4.1).
-- Without a copy forwarded mail ends here, else the user's own script and the delivery follow.
-- What has no envelope sender stays: the bounce of a forward would be forwarded to whoever refused
-- it, and nobody hear of it.
CREATE VIEW emboux_mail.sieve AS
SELECT username, 'rules'::text AS name, md5(required || rules) AS id,
       required || guard || rules AS script
  FROM (
    SELECT m.email AS username,
           CASE WHEN m.vacation_on OR m.forward_to <> '' THEN
               'require ["copy", "fileinto", "vacation", "date", "relational", "envelope",'
            || ' "variables"];' || E'\n' || 'set "dollar" "$";' || E'\n'
           ELSE E'require "fileinto";\n' END AS required,
           CASE WHEN m.quota_mb > 0 AND (m.forward_keep OR m.forward_to IS NULL) THEN
               'if size :over ' || least(2147483647, greatest(
                   0, m.quota_mb * 1048576::bigint - coalesce(used.bytes, 0)))
            || E' {\n  fileinto "INBOX";\n  stop;\n}\n'
           ELSE '' END AS guard,
           CASE WHEN m.vacation_on THEN
               'set "tagged" ' || emboux_mail.sieve_string(m.email) || E';\n'
            || 'if address :matches ["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"] ['
            || known.tagged || '] {' || E'\n' || '  set "tagged" "${0}";' || E'\n}\n'
            || 'if allof (true'
            || coalesce(', currentdate :value "ge" "date" "' || to_char(m.vacation_from, 'YYYY-MM-DD') || '"', '')
            || coalesce(', currentdate :value "le" "date" "' || to_char(m.vacation_until, 'YYYY-MM-DD') || '"', '')
            || ') {' || E'\n'
            || '  vacation :days ' || m.vacation_days
            || coalesce(' :subject ' || emboux_mail.sieve_string(nullif(m.vacation_subject, '')), '')
            || ' :from ' || emboux_mail.sieve_string(m.email)
            || ' :addresses [' || known.plain || ', "${tagged}"] '
            || emboux_mail.sieve_string(m.vacation_text) || ';' || E'\n}\n'
           ELSE '' END
        || coalesce('if not envelope :is "from" "" {' || E'\n'
                    || (SELECT string_agg(
                         '  redirect ' || CASE WHEN m.forward_keep THEN ':copy ' ELSE '' END
                         || emboux_mail.sieve_string(target) || ';' || E'\n', '')
                       FROM regexp_split_to_table(nullif(m.forward_to, ''), E'\n') AS target
                      WHERE emboux_mail.kept_from(m.domain_id, target) IS NULL)
                    || E'}\n', '')
           AS rules
      FROM emboux_mailbox m
      JOIN emboux_mail.hosted d ON d.id = m.domain_id AND d.owned
      JOIN emboux_domain own ON own.id = d.id
      LEFT JOIN emboux_mail.usage used ON used.username = m.email
      LEFT JOIN LATERAL (
          WITH RECURSIVE known(email, depth) AS (
              SELECT m.email::text, 0
               UNION
              SELECT a.email::text, k.depth + 1
                FROM known k
                JOIN emboux_alias a ON emboux_mail.goals(a.destinations) @> ARRAY[k.email]
                                   AND a.active AND a.kind = 'forward'
                JOIN emboux_mail.hosted h ON h.id = a.domain_id AND h.owned
                JOIN emboux_domain o ON o.id = h.id
                 AND o.partner_id IS NOT DISTINCT FROM own.partner_id
               WHERE k.depth < 10)
          SELECT string_agg(emboux_mail.sieve_string(email), ', ' ORDER BY depth, email) AS plain,
                 string_agg(emboux_mail.sieve_tagged(email), ', ' ORDER BY depth, email) AS tagged
            FROM (SELECT email, depth,
                         sum(2 * length(email) + 20) OVER (ORDER BY depth, email) AS letters
                    FROM (SELECT email, min(depth) AS depth FROM known GROUP BY email) AS each
                 ) AS measured
           WHERE letters <= 20000
      ) AS known ON m.vacation_on
     WHERE m.active
  ) AS scripts;

-- What Postfix asks for each recipient of each message, as functions over the views: a query
-- over these joins takes ten times as long to be planned as to be carried out, and of a function
-- a session keeps the plan.  They take an address as somebody wrote it (sql/address.sql).
CREATE OR REPLACE FUNCTION emboux_mail.domain_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_domain(asked);
BEGIN
    RETURN QUERY SELECT d.name::text FROM emboux_mail.domains d WHERE d.name = normal;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.mailbox_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    IF emboux_mail.is_returning(normal) THEN
        RETURN QUERY SELECT normal FROM emboux_mail.domains d
                      WHERE d.name = split_part(normal, '@', 2);
    ELSE
        RETURN QUERY SELECT m.email::text FROM emboux_mail.mailboxes m WHERE m.email = normal;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.transport_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    IF emboux_mail.is_returning(normal) THEN
        RETURN QUERY SELECT normal FROM emboux_mail.domains d
                      WHERE d.name = split_part(normal, '@', 2);
    ELSE
        RETURN QUERY SELECT t.email::text FROM emboux_mail.transports t WHERE t.email = normal;
    END IF;
END $$;

-- Destinations outside that are suppressed, or of a domain that may not send, are left out.  Where
-- nothing is left the address leads to itself: the catch-all shall not take mail that is an alias's,
-- and the policy refuses it with the reason.
CREATE OR REPLACE FUNCTION emboux_mail.aliases_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    IF emboux_mail.is_returning(normal) AND EXISTS (
        SELECT FROM emboux_mail.domains d WHERE d.name = split_part(normal, '@', 2))
    THEN
        RETURN NEXT normal;
        RETURN;
    END IF;
    RETURN QUERY SELECT a.destination::text FROM emboux_mail.aliases a
                  WHERE a.address = normal
                    AND (a.of_domain IS NULL
                         OR emboux_mail.kept_from(a.of_domain, a.destination) IS NULL);
    IF FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM emboux_mail.aliases a WHERE a.address = normal) THEN
        RETURN NEXT normal;
    ELSE
        RETURN QUERY SELECT * FROM emboux_mail.role_destinations(normal);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.inbound_of(asked text, of_domain text)
RETURNS SETOF text LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    -- postmaster and abuse of a suspended domain, who are elsewhere
    IF EXISTS (SELECT FROM emboux_mail.role_destinations(normal)) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT i.action FROM emboux_mail.inbound i WHERE i.key = normal;
    IF NOT FOUND THEN
        normal := emboux_mail.normal_domain(of_domain);
        RETURN QUERY SELECT i.action FROM emboux_mail.inbound i WHERE i.key = normal;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.outbound_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
BEGIN
    RETURN QUERY SELECT o.action FROM emboux_mail.outbound o WHERE o.login = normal;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.senders_of(asked text, of_domain text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
    normal_domain text := emboux_mail.normal_domain(of_domain);
BEGIN
    IF emboux_mail.is_returning(normal) THEN
        RETURN QUERY SELECT m.login FROM emboux_mail.sent_by_http(
            ARRAY[substring(normal FROM '^bounce[+]([a-z2-7]{26})@')]) m;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT s.login::text FROM emboux_mail.senders s WHERE s.address = normal
     UNION
    SELECT d.login FROM emboux_mail.domain_senders d WHERE d.domain = normal_domain;
END $$;

-- The domain of an envelope sender of which each message gets a return address of its own; no row
-- where it does not (own_return_address of the mailbox).
-- The address and its tagged forms go by the setting of the mailbox, whoever may send by it.  Any
-- other, an alias for instance, is of all logins that send for its domain, and who has logged in is
-- not known here: so it needs the setting of all of them.
CREATE OR REPLACE FUNCTION emboux_mail.own_return_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    normal text := emboux_mail.normal_address(asked);
    plain text := emboux_mail.without_tag(normal);
    own_domain text := substring(normal FROM '[^@]*$');
    own boolean;
BEGIN
    IF emboux_mail.is_returning(normal) THEN
        RETURN;
    END IF;
    SELECT m.own_return_address IS TRUE INTO own
      FROM emboux_mail.held h JOIN emboux_mailbox m ON m.id = h.id WHERE h.email = plain;
    IF NOT FOUND THEN
        SELECT bool_and(m.own_return_address IS TRUE) INTO own
          FROM emboux_mail.domain_senders d
          JOIN emboux_mail.held h ON h.email = d.login
          JOIN emboux_mailbox m ON m.id = h.id
         WHERE d.domain = own_domain;
    END IF;
    IF own THEN
        RETURN NEXT own_domain;
    END IF;
END $$;

-- Postfix sender_canonical_maps of the submission ports: 130 random bits, of letters that survive as
-- lower case, as of what is sent by HTTP (models/message_send.py).
-- Postfix asks again for what it was answered (seen with 3.7.11), and then without the tag, for
-- bounce@ as if somebody had sent as that; what is answered by itself ends this.
CREATE OR REPLACE FUNCTION emboux_mail.return_address_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    letters CONSTANT text := 'abcdefghijklmnopqrstuvwxyz234567';
    random bytea;
BEGIN
    IF emboux_mail.is_returning(lower(asked)) THEN
        RETURN NEXT asked;
        RETURN;
    END IF;
    random := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    RETURN QUERY
    SELECT 'bounce+' || (
               SELECT string_agg(substr(letters, get_byte(random, n) % 32 + 1, 1), '')
                 FROM generate_series(0, 25) AS n) || '@' || d
      FROM emboux_mail.own_return_of(asked) AS d;
END $$;

-- What an address leads to, as Postfix follows it: aliases, those of aliases, catch-alls, tags; with
-- "forwards" also what mailboxes forward by Sieve.  One row for each end, for addresses that are
-- hosted here; of others there is none.  "fate": leaves, local, unknown, stopped, suppressed (with
-- "why"), loop, many, deep.  "of_domain" passes it on.
-- In SQL, because the policy asks it within its one look-up; what is about to be saved, on any
-- backend, is followed by emboux_core/alias_graph.py.
CREATE OR REPLACE FUNCTION emboux_mail.follow(asked text[], forwards boolean)
RETURNS TABLE (place integer, address text, of_domain integer, partner integer, fate text, why text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    most_steps CONSTANT integer := 1000;  -- virtual_alias_expansion_limit
    home record;
    next record;
    names text[];
    passed integer[];   -- by which domain
    ways text[];        -- through which addresses, each between line ends
    step integer;
    leaving integer;
    key text;
    tag text;
    reason text;
BEGIN
    FOR home IN
        SELECT a.n::integer AS n, f.address, d.alias_destinations AS most,
               d.alias_depth AS deepest
          FROM unnest(asked) WITH ORDINALITY AS a(address, n)
         CROSS JOIN LATERAL emboux_mail.normal_address(a.address) AS f(address)
          JOIN emboux_mail.hosted h ON h.name = substring(f.address FROM '[^@]*$') AND h.owned
          JOIN emboux_mail.sending_domains d ON d.id = h.id
    LOOP
        place := home.n;
        names := ARRAY[home.address];
        passed := ARRAY[NULL::integer];
        ways := ARRAY[E'\n'];
        step := 0;
        leaving := 0;
        WHILE step < cardinality(names) LOOP
            step := step + 1;
            address := names[step];
            of_domain := passed[step];
            partner := (SELECT coalesce(d.partner_id, 0) FROM emboux_domain d WHERE d.id = of_domain);
            why := NULL;
            IF step > most_steps THEN
                fate := 'many';
                why := most_steps;
                RETURN NEXT;
                EXIT;
            END IF;
            IF of_domain IS NOT NULL AND NOT EXISTS (
                SELECT FROM emboux_mail.domains d WHERE d.name = substring(address FROM '[^@]*$'))
            THEN
                reason := emboux_mail.kept_from(of_domain, address);
                fate := CASE WHEN reason IS NULL THEN 'leaves' WHEN reason = 'stopped' THEN reason
                             ELSE 'suppressed' END;
                why := nullif(reason, 'stopped');
                leaving := leaving + 1;
                RETURN NEXT;
                IF home.most > 0 AND leaving > home.most THEN
                    fate := 'many';
                    why := home.most;
                    RETURN NEXT;
                    EXIT;
                END IF;
                CONTINUE;
            END IF;
            IF emboux_mail.is_returning(address) THEN
                fate := 'local';
                RETURN NEXT;
                CONTINUE;
            END IF;
            -- the address with its tag, without it, and the catch-all of its domain
            tag := '';
            key := address;
            IF NOT EXISTS (SELECT FROM emboux_mail.aliases a WHERE a.address = key) THEN
                key := emboux_mail.without_tag(address);
                tag := regexp_replace(substr(address, strpos(address, '+') + 1), '@[^@]*$', '');
                IF key = address
                   OR NOT EXISTS (SELECT FROM emboux_mail.aliases a WHERE a.address = key) THEN
                    key := '@' || substring(address FROM '[^@]*$');
                    tag := '';
                    IF NOT EXISTS (SELECT FROM emboux_mail.aliases a WHERE a.address = key) THEN
                        fate := 'unknown';
                        RETURN NEXT;
                        CONTINUE;
                    END IF;
                END IF;
            END IF;
            IF strpos(ways[step], E'\n' || key || E'\n') > 0 THEN
                fate := 'loop';
                RETURN NEXT;
                CONTINUE;
            END IF;
            FOR next IN SELECT a.destination, a.of_domain FROM emboux_mail.aliases a
                         WHERE a.address = key
            LOOP
                IF next.of_domain IS NULL THEN
                    fate := 'local';
                    RETURN NEXT;
                    CONTINUE WHEN NOT forwards;
                    names := names || ARRAY(
                        SELECT target FROM emboux_mailbox m
                          JOIN emboux_mail.hosted h ON h.id = m.domain_id AND h.owned
                         CROSS JOIN LATERAL regexp_split_to_table(nullif(m.forward_to, ''), E'\n')
                               AS target
                         WHERE m.email = key AND m.active);
                    passed := passed || array_fill(
                        (SELECT m.domain_id FROM emboux_mail.held m WHERE m.email = key),
                        ARRAY[cardinality(names) - cardinality(passed)]);
                ELSE
                    names := names || CASE WHEN tag = '' THEN next.destination
                        ELSE regexp_replace(next.destination, '(@[^@]*)$', '+' || tag || '\1') END;
                    passed := passed || next.of_domain;
                END IF;
                ways := ways || array_fill(ways[step] || key || E'\n',
                                           ARRAY[cardinality(names) - cardinality(ways)]);
            END LOOP;
            IF home.deepest > 0
               AND length(ways[step]) - length(replace(ways[step], E'\n', '')) > home.deepest + 1
            THEN
                fate := 'deep';
                why := home.deepest;
                RETURN NEXT;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- The same, with postmaster and abuse, who arrive whatever the domain may send.
CREATE OR REPLACE FUNCTION emboux_mail.expand(asked text[], forwards boolean)
RETURNS TABLE (place integer, address text, of_domain integer, partner integer, fate text, why text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
    SELECT f.place, f.address, f.of_domain, f.partner,
           CASE WHEN f.fate = 'unknown' AND EXISTS (
                    SELECT FROM emboux_mail.role_destinations(emboux_mail.without_tag(f.address)))
                THEN 'local' ELSE f.fate END,
           f.why
      FROM emboux_mail.follow(asked, forwards) f;
END $$;
