-- A copy for staging is no platform: Postfix and Dovecot read nobody of it, nobody logs in with
-- the passwords of production, and nothing is signed with its keys.
UPDATE emboux_domain SET state = 'suspended', state_before = state WHERE state <> 'suspended';
UPDATE emboux_mailbox SET password_hash = NULL, service_password_hash = NULL;
DELETE FROM emboux_dkim_key;
UPDATE ir_cron
   SET active = false
 WHERE id IN (SELECT res_id FROM ir_model_data
               WHERE module = 'emboux_mail_api' AND model = 'ir.cron');
DELETE FROM emboux_mail.usage;
DELETE FROM emboux_mail.sent;
-- nobody calls the copy with a key of production
UPDATE emboux_api_key SET revoked_at = now() AT TIME ZONE 'UTC' WHERE revoked_at IS NULL;
DELETE FROM ir_config_parameter WHERE key IN (
    'emboux_mail_api.mailgun_signing_key', 'emboux_mail_api.ses_topics',
    'emboux_mail_api.send_secret', 'emboux_mail_api.returns_secret');
-- nor is sent what waits for its time
DELETE FROM emboux_submission;
-- what is on hold is on hold at the mail servers of production
DELETE FROM emboux_held_message;
DELETE FROM emboux_queue_agent;
DELETE FROM emboux_daemon;
DELETE FROM emboux_mail.queue_message;
-- nor do receivers hear of what is tried out here
UPDATE emboux_webhook SET state = 'paused';
DELETE FROM emboux_mail.webhook_delivery;
