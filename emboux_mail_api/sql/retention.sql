-- What the purge (retention/purge.py) goes by, and what it has done.

-- The mailboxes from which mail is removed after some days, by kind of folder.  A suspended
-- mailbox or domain is frozen: nothing is removed from it.
CREATE OR REPLACE VIEW emboux_mail.retention_rules AS
SELECT m.id AS mailbox_id, m.email, m.domain,
       jsonb_strip_nulls(jsonb_build_object(
           'inbox', nullif(o.retention_inbox, 0), 'sent', nullif(o.retention_sent, 0),
           'drafts', nullif(o.retention_drafts, 0), 'archive', nullif(o.retention_archive, 0),
           'trash', nullif(o.retention_trash, 0), 'junk', nullif(o.retention_junk, 0),
           'other', nullif(o.retention_other, 0))) AS rule
  FROM emboux_mail.held m
  JOIN emboux_domain o ON o.id = m.domain_id
 WHERE NOT m.suspended
   AND greatest(o.retention_inbox, o.retention_sent, o.retention_drafts, o.retention_archive,
                o.retention_trash, o.retention_junk, o.retention_other) > 0;

-- Of each mailbox the last count and the last pass.  A pass is begun (as_of, found), then ended
-- (finished_at, removed); one that was killed stays begun, and the next one goes on with it.
CREATE TABLE IF NOT EXISTS emboux_mail.retention (
    mailbox_id    integer PRIMARY KEY REFERENCES emboux_mailbox (id) ON DELETE CASCADE,
    counted       bigint,          -- what had expired at the last look, also one that only counted
    counted_at    timestamptz,
    rule          jsonb,           -- by which the last pass went
    as_of         timestamptz,     -- at which moment
    found         bigint,          -- and what it found
    finished_at   timestamptz,
    removed       bigint,
    removed_total bigint NOT NULL DEFAULT 0,
    problem       text
);
