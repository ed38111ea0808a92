"""Clients of the running world: Odoo's RPC, plain SMTP and IMAP, the browser."""
