-- a copy for staging asks nobody and tells nobody
UPDATE ir_cron
   SET active = false
 WHERE id IN (SELECT res_id FROM ir_model_data
               WHERE module = 'emboux_core' AND model = 'ir.cron');
UPDATE emboux_operation SET state = 'void', busy_until = NULL WHERE state = 'pending';
-- the zones are production's: without address and key nothing is written there
UPDATE emboux_dns_server SET state = 'draft', key_secret = NULL, active = false,
       host = 'neutralized.invalid';
DELETE FROM ir_config_parameter WHERE key = 'emboux_core.domain_connect_private_key';
UPDATE emboux_backend SET state = 'draft', secret = NULL, url = NULL;
-- and takes no mail that is handed to production
UPDATE emboux_mailbox SET push_url = NULL, push_secret = NULL, mox_secret = NULL,
       mox_receives = false;
