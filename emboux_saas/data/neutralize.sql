-- This add-on talks to nobody; emboux_core and emboux_mail_api neutralize what it shows.
SELECT 1;
