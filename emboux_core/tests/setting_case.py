# Copyright 2026 Emboux
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
def store_parameter(env, key, value):
    """Put a system parameter into the database that nobody may write; to be read later on."""
    env["ir.config_parameter"].search([("key", "=", key)]).unlink()
    env.flush_all()
    env.cr.execute("INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)", [key, value])
    env.registry.clear_cache("stable")
