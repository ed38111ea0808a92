-- a copy for staging asks nobody and tells nobody
UPDATE ir_cron
   SET active = false
 WHERE id IN (SELECT res_id FROM ir_model_data
               WHERE module = 'emboux_core' AND model = 'ir.cron');
UPDATE emboux_operation SET state = 'void', busy_until = NULL WHERE state = 'pending';
UPDATE emboux_backend SET state = 'draft', secret = NULL, url = NULL;
