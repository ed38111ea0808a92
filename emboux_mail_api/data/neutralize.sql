-- A copy for staging is no platform: what Postfix and Dovecot might read of it is nobody.
UPDATE emboux_domain SET state = 'suspended', state_before = state WHERE state <> 'suspended';
