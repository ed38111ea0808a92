-- One normalised form for each address: every look-up by address goes through these functions,
-- so that Postfix, Dovecot, the policy and the REST API mean the same by it.

-- A text as it was meant: Postfix before 3.8 tells PostgreSQL that its UTF-8 is Latin-1.
CREATE OR REPLACE FUNCTION emboux_mail.as_utf8(asked text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF octet_length(asked) = char_length(asked) THEN
        RETURN asked;
    END IF;
    RETURN convert_from(convert_to(asked, 'LATIN1'), 'UTF8');
EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
    RETURN asked;
END $$;

-- A domain as the tables have it: lower case, A-labels, no final dot.  The Unicode form of a domain
-- that is here is found by its index; that of any other is given back as it is, and is in no table.
CREATE OR REPLACE FUNCTION emboux_mail.normal_domain(asked text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plain text := regexp_replace(lower(emboux_mail.as_utf8(asked)), '\.$', '');
BEGIN
    IF octet_length(plain) > char_length(plain) THEN
        RETURN coalesce((SELECT d.name FROM emboux_domain d
                          WHERE d.unicode_name = normalize(plain, NFC) LIMIT 1), plain);
    END IF;
    RETURN plain;
END $$;

-- An address as the tables have it (policy/normal.py says the same to the daemon).  A local part in
-- quotes that needs none loses them (RFC 5321 4.1.2), one that needs them gets them.
CREATE OR REPLACE FUNCTION emboux_mail.normal_address(asked text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    local text;
BEGIN
    IF asked !~ '[\s"(),:;<>\[\]\\]|@.*@|\.$' AND asked = lower(asked)
       AND octet_length(asked) = char_length(asked) THEN
        RETURN asked;  -- as nearly all are
    END IF;
    local := lower(regexp_replace(asked, '@[^@]*$', ''));
    IF local ~ '^".*"$' THEN
        local := regexp_replace(substr(local, 2, length(local) - 2), '\\(.)', '\1', 'g');
    END IF;
    IF local ~ '[\s"(),:;<>@\[\]\\]' THEN
        local := '"' || regexp_replace(local, '(["\\])', '\\\1', 'g') || '"';
    END IF;
    RETURN local || '@' || emboux_mail.normal_domain(substring(asked FROM '[^@]*$'));
END $$;

-- An address without its tag: ann+shop@x is ann@x (recipient_delimiter in main.cf).
CREATE OR REPLACE FUNCTION emboux_mail.without_tag(address text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(address, '^([^+@]+)[+].*(@[^@]*)$', '\1\2')
$$;

-- Why mail that an alias or a mailbox of a domain passes on may not leave for an address: null where
-- it may, or stays with us; "stopped" where the domain may not send; else the reason for which the
-- address is suppressed.
CREATE OR REPLACE FUNCTION emboux_mail.kept_from(of_domain integer, destination text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    passing record;
BEGIN
    IF EXISTS (SELECT FROM emboux_mail.domains d
                WHERE d.name = substring(destination FROM '[^@]*$')) THEN
        RETURN NULL;
    END IF;
    SELECT d.partner_id, coalesce(d.suspended, d.blocked, d.unverified) IS NOT NULL AS stopped
      INTO passing FROM emboux_mail.sending_domains d WHERE d.id = of_domain;
    IF NOT FOUND OR passing.stopped THEN
        RETURN 'stopped';
    END IF;
    RETURN (SELECT s.why FROM emboux_mail.suppressed(
                ARRAY[passing.partner_id], ARRAY[destination]) s LIMIT 1);
END $$;

-- Whether it is an envelope sender of what was sent by HTTP (models/message_send.py), or by a mailbox
-- with a return address for each message (own_return_of): to it come reports, which are nobody's
-- mail.
CREATE OR REPLACE FUNCTION emboux_mail.is_returning(address text)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT address ~ '^bounce[+][a-z2-7]{26}@'
$$;
