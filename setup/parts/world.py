"""One world: all servers of one state folder, set up and started in their order."""

import fcntl

from . import (
    demo,
    dns,
    inbound,
    mail,
    odoo_code,
    odoo_server,
    policy,
    postgres,
    queue,
    retention,
    signer,
    sink,
    system,
    tls,
    traffic,
    webhooks,
)
from .state import State
from .supervisor import Supervisor
from .task import Task

MAIL_PARTS = (tls, dns, signer, mail, sink)
AGENTS = (queue, retention, traffic, inbound, webhooks)  # around Odoo's database


class World:
    """``install`` what is missing, ``start`` the servers, ``stop`` them."""

    def __init__(self, root, mail=True, code=None, echo=True, database=odoo_server.DATABASE):
        self.state = State(root, code)
        self.mail = mail
        self.database = database
        self.supervisor = Supervisor(self.state, echo)
        self._lock = None

    def install(self, further=()):
        """Install what is missing; ``further`` Debian packages beside those of the servers.

        The database is needed first and takes longest to be filled: what mail needs goes on being
        installed meanwhile.  Returns a ``Task`` to wait for that.
        """
        system.release()
        system.install_packages([*postgres.PACKAGES, *odoo_code.packages()])
        names = [name for part in MAIL_PARTS for name in part.PACKAGES] if self.mail else []
        packages = Task(lambda: system.install_packages([*names, *further]), must_end=True)
        odoo_code.prepare(self.state)
        return packages

    def lock(self):
        """Be the only one who runs this world; returns whether that is so."""
        self._lock = self.state.path("lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock = None
            return False
        return True

    def start_database(self):
        self.supervisor.end_leftovers()
        for name in self.state.renew_taken_ports():
            print(f"The port of {name} was taken by another program: a new one is picked.")
        postgres.prepare(self.state)
        self._start(postgres)
        postgres.make_roles(self.state)

    def start_mail(self):
        where = mail.Database(port=self.state.port("postgres"), name=self.database)
        tls.prepare(self.state)
        dns.prepare(self.state)
        signer.prepare(self.state, where)
        policy.prepare(self.state)
        mail.prepare(self.state, where, self.state.port("policy"))
        for part in AGENTS:
            part.prepare(self.state)
        sink.prepare(self.state)
        for part in (dns, sink, signer):
            self._start(part)
        # before Postfix, which defers what it cannot ask about
        for service in policy.services(self.state, self.database):
            self.supervisor.start(service)
        self._start(mail)
        for part in AGENTS:
            for service in part.services(self.state, self.database):
                self.supervisor.start(service)

    def start_odoo(self):
        for service in odoo_server.services(self.state, self.database):
            self.supervisor.start(service)

    def start(self, packages, anew=False, copy=None, further=()):
        """Everything, with demo data, ready to be used.

        ``packages`` is what ``install`` returned; ``anew`` makes the database again; ``copy`` names
        a second database made of it; ``further`` has names of others with the add-ons in them.
        """
        self.start_database()
        for name, addons in further:
            odoo_server.prepare(self.state, name)
            odoo_server.make_database(self.state, name, anew, addons)
        odoo_server.prepare(self.state, self.database)
        odoo_server.make_database(self.state, self.database, anew)
        if copy:
            odoo_server.prepare(self.state, copy)
            odoo_server.copy_database(self.state, self.database, copy)
        packages.wait()
        if self.mail:
            self.start_mail()
        demo.settle(self.state, self.database, self.mail)
        self.start_odoo()

    def _start(self, part):
        for service in part.services(self.state):
            self.supervisor.start(service)

    def stop(self):
        self.supervisor.stop()
