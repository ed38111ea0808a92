-- A copy for staging suspends nobody, erases nothing and writes to no customer.
UPDATE ir_cron
   SET active = false
 WHERE id IN (SELECT res_id FROM ir_model_data
               WHERE module = 'emboux_saas' AND model = 'ir.cron');
