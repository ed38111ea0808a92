"""A PostgreSQL of a test's own, with what the policy daemon needs, to be stopped at will."""

import os
import subprocess
from pathlib import Path

from parts import postgres
from parts.state import State
from parts.supervisor import Supervisor

TABLES = ("emboux_backend", "emboux_domain", "emboux_mailbox", "emboux_alias",
          "emboux_suppression", "emboux_outbound_count", "emboux_hold_rule", "ir_config_parameter")
VIEWS = ("hosted", "held", "domains", "aliases")  # by which addresses are followed
_SQL = Path(__file__).resolve().parents[2] / "emboux_mail_api" / "sql"


class PrivatePostgres:
    """``start``, then ``copy`` the policy's tables from the world; then ``crash`` it."""

    def __init__(self, world, database):
        self._world, self.database = world, database
        self.state = State(world.path("policy_pg"), world.code)
        self._supervisor = Supervisor(self.state, echo=False)

    def start(self):
        self._supervisor.end_leftovers()
        postgres.prepare(self.state)
        [service] = postgres.services(self.state)
        self._supervisor.start(service)

    def copy(self):
        """The database as it is now: tables without foreign keys, and what the
        policy reads."""
        postgres.make_roles(self.state)
        postgres.drop(self.state, self.database)
        postgres.create(self.state, self.database)
        dump = subprocess.run(
            [postgres._bin("pg_dump"), "-h", "127.0.0.1", "-p", str(self._world.port("postgres")),
             "-U", "odoo", "-d", self.database, "--section=pre-data", "--section=data",
             *(f"--table=public.{table}" for table in TABLES)],
            env={**os.environ, "PGPASSWORD": self._world.secret("odoo")},
            check=True, capture_output=True, text=True).stdout
        postgres.sql(self.state, dump, self.database)
        self.sql("CREATE SCHEMA emboux_mail AUTHORIZATION odoo;"
                 "CREATE UNIQUE INDEX ON emboux_outbound_count (domain_id, since, \"window\");"
                 + "".join(f"ALTER TABLE {table} ADD PRIMARY KEY (id);" for table in TABLES)
                 + "CREATE INDEX ON emboux_mailbox (email);"
                   "CREATE INDEX ON emboux_suppression (email);")
        for script in ("traffic", "address", "sending"):
            self.sql(f"SET ROLE odoo; {(_SQL / f'{script}.sql').read_text()}")
        views = (_SQL / "views.sql").read_text()
        for view in VIEWS:
            start = views.index(f"CREATE VIEW emboux_mail.{view} AS")
            self.sql(f"SET ROLE odoo; {views[start:views.index(';', start)]}")
        start = views.index("CREATE OR REPLACE FUNCTION emboux_mail.role_destinations")
        end = "END $$;"  # of that function alone: the views that come next need more
        self.sql(f"SET ROLE odoo; {views[start:views.index(end, start)]}{end}")
        start = views.index("CREATE OR REPLACE FUNCTION emboux_mail.follow")
        self.sql(f"SET ROLE odoo; {views[start:]}")
        self.sql(f"SET ROLE odoo; {(_SQL / 'policy.sql').read_text()}")
        grants = (_SQL / "grants.sql").read_text()
        start = grants.index("    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'emboux_policy')")
        self.sql(f"SET ROLE odoo; DO $$ BEGIN {grants[start:]}")

    def sql(self, statement):
        return postgres.sql(self.state, statement, self.database)

    def crash(self):
        """As if the power had gone."""
        self._supervisor.kill("postgres")

    def stop(self):
        self._supervisor.stop()
