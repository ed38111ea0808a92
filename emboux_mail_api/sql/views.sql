-- The truth as Postfix, Dovecot and the signer read it.  Every look-up is one by an index:
-- emboux_domain (name), emboux_mailbox (email), emboux_alias (email), and for senders a
-- partial index on the few mailboxes that send for a whole domain.
-- Each view names its readers; sql/grants.sql says which role may read what.

-- All of them are made anew, those of an earlier version too.
DO $$
DECLARE view text;
BEGIN
    FOR view IN SELECT viewname FROM pg_views WHERE schemaname = 'emboux_mail' LOOP
        EXECUTE format('DROP VIEW IF EXISTS emboux_mail.%I CASCADE', view);
    END LOOP;
END $$;

-- The domains of the local backend; the other views build on it, nobody else reads it.
CREATE VIEW emboux_mail.hosted AS
SELECT d.id, d.name, d.parent_id, d.is_wildcard, d.state, d.owned_since IS NOT NULL AS owned,
       d.transfer_limit, d.transfer_over_limit,
       -- a subdomain sends by the verification of its parent
       d.state = 'verified' AND (p.id IS NULL OR p.state = 'verified') AS may_send
  FROM emboux_domain d
  JOIN emboux_backend b ON b.id = d.backend_id AND b.kind = 'local'
  LEFT JOIN emboux_domain p ON p.id = d.parent_id
 WHERE d.active;

-- Who carries and signs a domain's mail, and whether he is ready to take it.  Apart from the
-- view above, which Postfix asks ten times a recipient: each join costs time to be planned.
CREATE VIEW emboux_mail.carried AS
SELECT d.id AS domain_id, coalesce(v.kind, 'dkim') AS carrier,
       CASE v.kind WHEN 'mailgun' THEN r.credential_at IS NOT NULL
                   WHEN 'ses' THEN r.state = 'done' AND v.smtp_password IS NOT NULL
                   ELSE true END AS relay_ready,
       v.id AS provider_id, r.login AS relay_login, r.password AS relay_password
  FROM emboux_domain d
  LEFT JOIN emboux_provider v ON v.id = d.provider_id
  LEFT JOIN emboux_registration r ON r.domain_id = d.id AND r.provider_id = d.provider_id;

-- The mailboxes of proven domains.  A domain that somebody merely claims must show in no look-up:
-- Postfix asks these for outside recipients too, and would take gmail.com for ours.
CREATE VIEW emboux_mail.held AS
SELECT m.email, m.domain_id, m.state, m.send_as, m.mail_folder, m.service_password_hash,
       m.quota_mb * 1048576::bigint AS quota_bytes,
       d.name AS domain, d.state AS domain_state
  FROM emboux_mailbox m
  JOIN emboux_mail.hosted d ON d.id = m.domain_id AND d.owned
 WHERE m.active;

-- Postfix virtual_mailbox_domains: proven domains, so that nobody can take the mail of a
-- domain that is not his; suspended ones too, else their mail would bounce as "relay denied".
CREATE VIEW emboux_mail.domains AS
SELECT name FROM emboux_mail.hosted WHERE owned;

-- Postfix virtual_mailbox_maps.
CREATE VIEW emboux_mail.mailboxes AS
SELECT email FROM emboux_mail.held;

-- Postfix virtual_alias_maps.  A catch-all is the row '@domain'.  Each mailbox is an alias of
-- itself, else the catch-all would be asked before the mailbox and take all mail.
CREATE VIEW emboux_mail.aliases AS
SELECT a.email AS address, destination
  FROM emboux_alias a
  JOIN emboux_mail.hosted d ON d.id = a.domain_id AND d.owned
 CROSS JOIN LATERAL regexp_split_to_table(a.destinations, '\n') AS destination
 WHERE a.active
 UNION ALL
SELECT email, email FROM emboux_mail.held;

-- Postfix check_recipient_access, by address and by domain: who takes no mail now.
-- 450 and not 550: the sender's server keeps the mail and tries again, nothing is lost.
CREATE VIEW emboux_mail.inbound AS
SELECT name AS key,
       CASE WHEN state = 'suspended' THEN '450 4.2.1 This domain is suspended, try again later'
            ELSE '450 4.2.2 This domain has used up its transfer of this month, try again later'
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
-- the domain, and those of its wildcard parent.
CREATE VIEW emboux_mail.domain_senders AS
SELECT d.name AS domain, m.email AS login
  FROM emboux_mail.hosted d
  JOIN emboux_mailbox m ON m.domain_id = d.id AND m.send_as = 'domain' AND m.active
 WHERE d.owned
 UNION ALL
SELECT d.name, m.email
  FROM emboux_mail.hosted d
  JOIN emboux_mailbox m ON m.domain_id = d.parent_id AND m.send_as = 'domain' AND m.active
 WHERE d.owned;

-- The signer: whole domains that may stand in the From header of a login's mail.
CREATE VIEW emboux_mail.header_senders AS
SELECT email AS login, domain FROM emboux_mail.held WHERE send_as = 'domain'
 UNION ALL
SELECT m.email, child.name
  FROM emboux_mail.held m
  JOIN emboux_mail.hosted child ON child.parent_id = m.domain_id AND child.owned
 WHERE m.send_as = 'domain';

-- Postfix check_sasl_access: logins that may not send now, also in a session that is open.
CREATE VIEW emboux_mail.outbound AS
SELECT m.email AS login,
       CASE WHEN m.state = 'suspended'
            THEN '554 5.7.1 This mailbox is suspended and may not send; ask its administrator'
            WHEN d.state = 'suspended'
            THEN '554 5.7.1 The domain ' || d.name || ' is suspended; ask its administrator'
            WHEN NOT d.may_send
            THEN '554 5.7.1 The domain ' || d.name || ' is not verified yet:'
                 || ' publish its DNS records, then send again'
            ELSE '554 5.7.1 The domain ' || d.name || ' has no SMTP login at its provider yet:'
                 || ' ask the operator to activate its sending'
       END AS action
  FROM emboux_mailbox m
  JOIN emboux_mail.hosted d ON d.id = m.domain_id
  JOIN emboux_mail.carried c ON c.domain_id = d.id
 WHERE m.active AND (m.state = 'suspended' OR NOT d.may_send OR NOT c.relay_ready);

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

-- Dovecot passdb.  A domain that is not proven yet may be looked at, it just takes no mail.
-- argon2id is Dovecot's default here, bcrypt comes with mailboxes that moved in with their hash.
CREATE VIEW emboux_mail.logins AS
SELECT m.email,
       CASE WHEN m.password_hash LIKE '$2%' THEN '{BLF-CRYPT}' ELSE '' END || m.password_hash
           AS password,
       m.mail_folder,
       m.quota_mb * 1048576::bigint AS quota_bytes
  FROM emboux_mailbox m JOIN emboux_mail.hosted d ON d.id = m.domain_id
 WHERE m.active AND m.state = 'active' AND d.state <> 'suspended' AND m.password_hash IS NOT NULL;

-- Dovecot's second passdb: the password that only Odoo's outgoing server knows.
CREATE VIEW emboux_mail.service_logins AS
SELECT email, service_password_hash AS password
  FROM emboux_mail.held
 WHERE state = 'active' AND domain_state <> 'suspended' AND service_password_hash IS NOT NULL;

-- Dovecot userdb.  The folder has a name of its own: an address that is given to somebody else
-- later does not come with the mail of the one before.
-- Mail that reaches a suspended mailbox by an alias finds it at delivery, and waits in the queue.
CREATE VIEW emboux_mail.users AS
SELECT email, mail_folder, quota_bytes,
       state = 'suspended' OR domain_state = 'suspended' AS suspended
  FROM emboux_mail.held;

-- OpenDKIM's look-up by the domain of the From header: the key that signs, one of each type.
-- A subdomain signs with its parent's (d=parent).  A view for each type, because one OpenDKIM
-- makes signatures of one algorithm, and a key of the other type would spoil them.
CREATE VIEW emboux_mail.dkim_signing AS
SELECT d.name AS lookup, k.id::text AS key_name
  FROM emboux_mail.hosted d
  JOIN emboux_dkim_key k
    ON k.domain_id = COALESCE(d.parent_id, d.id) AND k.signs AND k.key_type = 'rsa'
  JOIN emboux_mail.carried c ON c.domain_id = d.id AND c.carrier = 'dkim';

CREATE VIEW emboux_mail.dkim_signing_ed25519 AS
SELECT d.name AS lookup, k.id::text AS key_name
  FROM emboux_mail.hosted d
  JOIN emboux_dkim_key k
    ON k.domain_id = COALESCE(d.parent_id, d.id) AND k.signs AND k.key_type = 'ed25519'
  JOIN emboux_mail.carried c ON c.domain_id = d.id AND c.carrier = 'dkim';

-- OpenDKIM KeyTable.  Keys that wait for their DNS, or sign no more, are not for the signer.
CREATE VIEW emboux_mail.dkim_keys AS
SELECT k.id::text AS key_name, d.name AS domain, k.selector, k.private_key
  FROM emboux_dkim_key k JOIN emboux_mail.hosted d ON d.id = k.domain_id
 WHERE k.signs;

-- A quoted string of Sieve (RFC 5228 2.4.2): nothing but these two letters means anything in it,
-- because the script requires neither "variables" nor "encoded-character".
CREATE OR REPLACE FUNCTION emboux_mail.sieve_string(value text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '"' || replace(replace(value, '\', '\\'), '"', '\"') || '"'
$$;

-- Dovecot's sieve_before, for each mailbox that forwards or replies: the script, under an id that
-- changes with it.  Days are those of the mail server's time zone.
-- The reply goes to whoever wrote to the mailbox or to an alias of it, not to mailing lists;
-- without a copy the mail ends here, else the user's own script and the delivery follow.
CREATE VIEW emboux_mail.sieve AS
SELECT username, 'rules'::text AS name, md5(script) AS id, script
  FROM (
    SELECT m.email AS username,
           'require ["copy", "vacation", "date", "relational"];' || E'\n'
        || CASE WHEN m.vacation_on THEN
               'if allof (true'
            || coalesce(', currentdate :value "ge" "date" "' || to_char(m.vacation_from, 'YYYY-MM-DD') || '"', '')
            || coalesce(', currentdate :value "le" "date" "' || to_char(m.vacation_until, 'YYYY-MM-DD') || '"', '')
            || ') {' || E'\n'
            || '  vacation :days ' || m.vacation_days
            || coalesce(' :subject ' || emboux_mail.sieve_string(nullif(m.vacation_subject, '')), '')
            || ' :from ' || emboux_mail.sieve_string(m.email)
            || ' :addresses [' || emboux_mail.sieve_string(m.email)
            || coalesce((SELECT string_agg(', ' || emboux_mail.sieve_string(a.email), '' ORDER BY a.email)
                           FROM (SELECT email FROM emboux_alias
                                  WHERE active AND kind = 'forward' AND domain_id = m.domain_id
                                    -- by the index, see GOALS in emboux_core/models/alias.py
                                    AND string_to_array(regexp_replace(
                                            destinations, '[+][^@\n]*@', '@', 'g'), E'\n')
                                        @> ARRAY[m.email::text]
                                    AND m.email = ANY (string_to_array(destinations, E'\n'))
                                  ORDER BY email LIMIT 100) a), '')
            || '] ' || emboux_mail.sieve_string(m.vacation_text) || ';' || E'\n}\n'
           ELSE '' END
        || coalesce((SELECT string_agg(
                         'redirect ' || CASE WHEN m.forward_keep THEN ':copy ' ELSE '' END
                         || emboux_mail.sieve_string(target) || ';' || E'\n', '')
                       FROM regexp_split_to_table(nullif(m.forward_to, ''), E'\n') AS target), '')
           AS script
      FROM emboux_mailbox m
      JOIN emboux_mail.hosted d ON d.id = m.domain_id AND d.owned
     WHERE m.active AND (m.vacation_on OR m.forward_to <> '')
  ) AS scripts;

-- What Postfix asks for each recipient of each message, as functions over the views: a query
-- over these joins takes ten times as long to be planned as to be carried out, and of a function
-- a session keeps the plan.
CREATE OR REPLACE FUNCTION emboux_mail.aliases_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY SELECT a.destination FROM emboux_mail.aliases a WHERE a.address = asked;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.inbound_of(asked text, of_domain text)
RETURNS SETOF text LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY SELECT i.action FROM emboux_mail.inbound i WHERE i.key = asked;
    IF NOT FOUND THEN
        RETURN QUERY SELECT i.action FROM emboux_mail.inbound i WHERE i.key = of_domain;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.outbound_of(asked text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY SELECT o.action FROM emboux_mail.outbound o WHERE o.login = asked;
END $$;

CREATE OR REPLACE FUNCTION emboux_mail.senders_of(asked text, of_domain text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
    SELECT s.login::text FROM emboux_mail.senders s WHERE s.address = asked
     UNION
    SELECT d.login FROM emboux_mail.domain_senders d WHERE d.domain = of_domain;
END $$;
