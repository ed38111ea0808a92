-- Access rights.  Roles belong to the whole cluster, so an administrator creates them:
--     CREATE ROLE emboux_mail LOGIN PASSWORD '...';    -- Postfix and Dovecot, reading
--     CREATE ROLE emboux_usage LOGIN PASSWORD '...';   -- Dovecot, writing what it counted
--     CREATE ROLE emboux_dkim LOGIN PASSWORD '...';    -- the signer
--     CREATE ROLE emboux_relay LOGIN PASSWORD '...';   -- Postfix, for the relays of providers
--     CREATE ROLE emboux_policy LOGIN PASSWORD '...';  -- the outgoing policy daemon
--     CREATE ROLE emboux_queue LOGIN PASSWORD '...';   -- the agent of Postfix' queue
--     CREATE ROLE emboux_retention LOGIN PASSWORD '...';  -- the daily purge of old mail
--     CREATE ROLE emboux_transfer LOGIN PASSWORD '...';   -- the reader of the mail servers' logs
--     CREATE ROLE emboux_inbound LOGIN PASSWORD '...';    -- hands mail to Odoo
--     CREATE ROLE emboux_webhooks LOGIN PASSWORD '...';   -- sends webhooks
-- Those that exist are granted their rights on each installation and update, and by the
-- button Test on the backend.
DO $$
DECLARE
    daemon text;
BEGIN
    REVOKE ALL ON ALL TABLES IN SCHEMA emboux_mail FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_mail') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_mail;
        GRANT SELECT ON
            emboux_mail.domains, emboux_mail.mailboxes, emboux_mail.aliases, emboux_mail.inbound,
            emboux_mail.senders, emboux_mail.domain_senders,
            emboux_mail.outbound, emboux_mail.logins,
            emboux_mail.users, emboux_mail.sieve, emboux_mail.transports TO emboux_mail;
        -- a view's functions run with its reader's rights
        GRANT EXECUTE ON FUNCTION
            emboux_mail.over_transfer, emboux_mail.sieve_string, emboux_mail.sieve_tagged,
            emboux_mail.goals TO emboux_mail;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_relay') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_relay;
        GRANT SELECT ON emboux_mail.relays, emboux_mail.relay_logins, emboux_mail.routes
            TO emboux_relay;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_usage') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_usage;
        GRANT SELECT, INSERT, UPDATE ON emboux_mail.usage TO emboux_usage;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_dkim') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_dkim;
        GRANT SELECT ON
            emboux_mail.dkim_signing, emboux_mail.dkim_signing_ed25519, emboux_mail.dkim_keys,
            emboux_mail.header_senders TO emboux_dkim;
    END IF;
    -- What a function of this schema does as its owner is for those who are named here.
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA emboux_mail FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_mail') THEN
        GRANT EXECUTE ON FUNCTION
            emboux_mail.aliases_of, emboux_mail.inbound_of, emboux_mail.outbound_of,
            emboux_mail.senders_of, emboux_mail.domain_of, emboux_mail.mailbox_of,
            emboux_mail.transport_of, emboux_mail.service_login_of,
            emboux_mail.is_returning, emboux_mail.sent_by_http,
            emboux_mail.own_return_of, emboux_mail.return_address_of,
            emboux_mail.normal_address, emboux_mail.normal_domain, emboux_mail.as_utf8,
            emboux_mail.kept_from, emboux_mail.role_destinations TO emboux_mail;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_relay') THEN
        GRANT EXECUTE ON FUNCTION emboux_mail.normal_domain, emboux_mail.as_utf8
            TO emboux_relay;
    END IF;
    -- each daemon says how it does, and of itself alone
    FOREACH daemon IN ARRAY ARRAY['policy', 'inbound', 'queue', 'retention', 'transfer', 'webhooks']
    LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_' || daemon) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION emboux_mail.daemon_seen TO %I',
                           'emboux_' || daemon);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_queue') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_queue;
        GRANT SELECT, INSERT ON emboux_mail.held_messages TO emboux_queue;
        GRANT UPDATE (reason, state, wish, note, held_since, expires_at, charged_at, done_at)
            ON emboux_mail.held_messages TO emboux_queue;
        GRANT SELECT, INSERT, UPDATE ON emboux_mail.queue_agents TO emboux_queue;
        GRANT SELECT, INSERT, UPDATE, DELETE ON emboux_mail.queue_message TO emboux_queue;
        GRANT SELECT ON emboux_mail.hold_rules TO emboux_queue;
        GRANT EXECUTE ON FUNCTION emboux_mail.hosted_numbers TO emboux_queue;
        GRANT USAGE ON SEQUENCE emboux_held_message_id_seq, emboux_queue_agent_id_seq
            TO emboux_queue;
        -- it charges what it releases, by the policy's own code
        GRANT SELECT ON emboux_mail.sending, emboux_mail.sending_domains TO emboux_queue;
        -- it makes Postfix forget what it knew of relays
        GRANT SELECT ON emboux_mail.routing TO emboux_queue;
        -- and ends the sessions of who is suspended
        GRANT SELECT (email, suspended) ON emboux_mail.users TO emboux_queue;
        GRANT SELECT, INSERT, UPDATE ON emboux_mail.sent, emboux_mail.pair TO emboux_queue;
        GRANT EXECUTE ON FUNCTION
            emboux_mail.parameter, emboux_mail.usual, emboux_mail.suppressed, emboux_mail.record,
            emboux_mail.over_transfer, emboux_mail.expand
            TO emboux_queue;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_retention') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_retention;
        GRANT SELECT ON emboux_mail.retention_rules TO emboux_retention;
        GRANT SELECT, INSERT, UPDATE ON emboux_mail.retention TO emboux_retention;
        GRANT SELECT ON emboux_mail.leftovers TO emboux_retention;
        GRANT SELECT, DELETE ON emboux_mail.leftover TO emboux_retention;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_inbound') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_inbound;
        GRANT SELECT ON emboux_mail.pushed, emboux_mail.returns TO emboux_inbound;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_transfer') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_transfer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON
            emboux_mail.log_position, emboux_mail.log_message, emboux_mail.log_session
            TO emboux_transfer;
        -- it writes the message log, and reads of it what it has to, to find the row
        GRANT INSERT ON emboux_mail.message TO emboux_transfer;
        GRANT SELECT (id, expires, events, relay, receiver, dsn, answer, queue_id, from_id),
            UPDATE (status, attempts, recipient, changed_at, events, relay, receiver, dsn, answer,
                    queue_id, host, from_id)
            ON emboux_mail.message TO emboux_transfer;
        GRANT USAGE ON SEQUENCE emboux_mail.message_id TO emboux_transfer;
        GRANT EXECUTE ON FUNCTION
            emboux_mail.add_transfer, emboux_mail.log_domains, emboux_mail.message_days,
            emboux_mail.sent_by_http
            TO emboux_transfer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_webhooks') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_webhooks;
        -- it writes what became of a delivery, and reads of it what it has to for that
        GRANT SELECT (id, state, attempts, tries),
            UPDATE (state, attempts, next_try, done_at, last_status, last_answer, tries)
            ON emboux_mail.webhook_delivery TO emboux_webhooks;
        GRANT EXECUTE ON FUNCTION
            emboux_mail.due_deliveries, emboux_mail.webhook_did, emboux_mail.utc_now,
            emboux_mail.webhook_networks TO emboux_webhooks;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_policy') THEN
        GRANT USAGE ON SCHEMA emboux_mail TO emboux_policy;
        GRANT SELECT ON
            emboux_mail.sending, emboux_mail.sending_domains, emboux_mail.hold_rules
            TO emboux_policy;
        GRANT SELECT, INSERT, UPDATE ON emboux_mail.sent TO emboux_policy;
        GRANT SELECT, INSERT, UPDATE, DELETE ON emboux_mail.pair TO emboux_policy;
        GRANT EXECUTE ON FUNCTION
            emboux_mail.parameter, emboux_mail.usual, emboux_mail.suppressed, emboux_mail.record,
            emboux_mail.flag, emboux_mail.charge_known, emboux_mail.over_transfer,
            emboux_mail.expand, emboux_mail.may_be_ours TO emboux_policy;
    END IF;
END $$;
