"""``setup/server``: a whole host is written, checked by the real programs, and taken back."""

import datetime
import json
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from host import certificate, database, machine, names, odoo, passwords, plan, services
from host.managed import MANIFEST
from host.settings import Settings
from parts import postfix, system
from parts.odoo_code import PROJECT
from parts.render import TEMPLATES
from parts.state import State
from parts.supervisor import Service, Supervisor, listening

from odoo.addons.emboux_mail_api.emboux_daemons import options as daemon_options

HOST = "mail.example.org"
ADDRESS = "203.0.113.5"
SERVER = str(PROJECT / "setup" / "server")
#: What was there before: of Debian, and of whoever set the machine up.
BEFORE = {
    "etc/postfix/main.cf": ("myhostname = old\nsmtp_password = hunter2hunter2\n", "640"),
    "etc/postfix/master.cf": ("# Debian's\n", "644"),
    "etc/dovecot/dovecot.conf": ("protocols = imap\n", "600"),
    "etc/passwd.of.others": ("untouched\n", "644"),
}
#: In a mount namespace where the files of the folder lie in /etc and nothing outside is changed.
IN_PLACE = """
set -e
ip link set lo up
mount -t tmpfs tmpfs /mnt
mkdir /mnt/new /mnt/work
mount -t overlay overlay -o "lowerdir=$0/etc:/etc,upperdir=/mnt/new,workdir=/mnt/work" /etc
cd "$1"
shift
"$@"
"""
ASK_THE_PROGRAMS = """
import sys
sys.path.insert(0, "setup")
from host import accepted, findings
sys.exit(findings.printed(accepted.check()))
"""


def as_root(*argv, code=0, text=None):
    done = subprocess.run(system.as_root([str(a) for a in argv]), capture_output=True, text=True,
                          check=False, timeout=60, input=text)
    said = done.stdout + done.stderr
    assert code is None or done.returncode == code, said
    return said


def server(root, *options, code=0):
    """Run the command for files in a folder."""
    return as_root(sys.executable, SERVER, "--root", root, *options, code=code)


def tree(root):
    """All that a folder holds but the backups: names, kinds, modes, owners, links, contents."""
    return as_root("sh", "-c", r"""cd "$0"
        find . -path ./var/backups -prune -o -printf '%p %y %m %U:%G %l\n' | sort
        find . -path ./var/backups -prune -o -type f -print0 | sort -z | xargs -0r sha256sum""",
                   root)


def root_of(folder):
    """A machine's files, as they are before."""
    for name, (text, mode) in BEFORE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(int(mode, 8))
    (folder / "var").mkdir()
    link = folder / "etc/logrotate.d/emboux"
    link.parent.mkdir()
    link.symlink_to("../nowhere")
    return folder


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Makes certificates: a function of the name, the days that are left and whose key it is."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(host=HOST, days=60, key_of=None):
        name = f"{host}-{days}"
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=90))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        cert, private = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        return cert, key_of or private

    return make


@pytest.fixture(scope="module")
def options(certificates):
    cert, key = certificates()
    return ("--host", HOST, "--cert", cert, "--key", key, "--yes",
            "--odoo", Path(sys.executable).parent / "odoo")


@pytest.fixture(scope="module")
def image(tmp_path_factory, options):
    """The files of a host, which no test changes."""
    root = root_of(tmp_path_factory.mktemp("image"))
    server(root, *options)
    return root


# -- files: written, written again, and taken back -------------------------------------------


def test_a_host_is_written_once_and_taken_back_byte_for_byte(tmp_path, options):
    root = root_of(tmp_path)
    before = tree(root)
    assert "no mail host yet" in server(root, "--check", *options, code=1)
    assert tree(root) == before

    said = server(root, *options)
    assert "-myhostname = old" in said and f"+myhostname = {HOST}" in said
    written = tree(root)
    assert written != before

    # whoever starts the services knows what they have not read yet
    unread = json.loads(as_root("cat", root / MANIFEST))["unread"]
    assert set(services.touched(unread)) == set(services.UNITS)

    # all options are remembered
    assert "Nothing to do" in server(root)
    assert "No faults" in server(root, "--check")
    assert tree(root) == written

    as_root("sh", "-c", f"echo 'biff = yes' >> {root}/etc/postfix/main.cf")
    as_root("chmod", "644", f"{root}/etc/postfix/sql-relays.cf")
    edited = tree(root)
    said = server(root, "--check", code=1)
    for name in ("main.cf", "sql-relays.cf"):
        assert f"/etc/postfix/{name} is not as" in said
    assert tree(root) == edited
    assert "-biff = yes" in server(root, "--yes")
    assert tree(root) == written

    as_root("sh", "-c", f"echo 'biff = yes' >> {root}/etc/postfix/main.cf")
    said = server(root, "--remove", "--yes")
    assert "had been edited: /etc/postfix/main.cf" in said
    assert tree(root) == before
    kept = f"{root}/var/backups/emboux/*/etc/postfix/main.cf"
    assert "biff = yes" in as_root("sh", "-c", f"cat {kept}")
    assert "Nothing of setup/server" in server(root, "--remove", "--yes")


def test_nothing_is_written_before_a_yes(tmp_path, options):
    root = root_of(tmp_path)
    before = tree(root)
    said = server(root, *[option for option in options if option != "--yes"], code=1)
    assert "new: /etc/emboux/passwords" in said and "say --yes" in said
    assert tree(root) == before


def test_a_run_that_was_cut_off_is_taken_back_too(tmp_path, options):
    root = root_of(tmp_path)
    before = tree(root)
    # it may write small files alone, and ends at the first large one
    said = as_root("sh", "-c", 'ulimit -f 10; exec "$0" "$@"', sys.executable, SERVER,
                   "--root", root, *options, code=1)
    assert "File too large" in said and "--remove" in said
    assert (root / "etc/dovecot/dict-usage.conf").exists()
    server(root, "--remove", "--yes")
    assert tree(root) == before


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path, options):
    (tmp_path / "etc/postfix/main.cf").mkdir(parents=True)
    assert "main.cf is a folder" in server(tmp_path, *options, code=1)


def test_what_a_host_needs_no_more_is_put_back(tmp_path, options, certificates):
    by_acme = ("--host", HOST, "--yes")
    server(tmp_path, *by_acme)
    hook = tmp_path / "etc/letsencrypt/renewal-hooks/deploy/emboux"
    assert hook.stat().st_mode & 0o111
    server(tmp_path, *options)
    assert not hook.exists()


def test_passwords_are_readable_for_their_program_alone_and_never_shown(tmp_path, options):
    root = root_of(tmp_path)
    said = server(root, *options)
    lines = as_root("cat", root / "etc/emboux/passwords").splitlines()
    known = [line.partition("=")[2] for line in lines if "=" in line]
    assert len(known) == len(passwords.ROLES)
    assert not [password for password in [*known, "hunter2hunter2"] if password in said]
    holders = as_root("grep", "-rlF", *[word for p in known for word in ("-e", p)], root).split()
    assert len(holders) > 25
    for path in holders:
        assert as_root("stat", "-c", "%a", path).strip() in ("600", "640"), path
    owners = as_root("stat", "-c", "%U:%G", root / "etc/postfix/sql-relays.cf",
                     root / "etc/opendkim/signer.lua", root / "etc/emboux/queue.password").split()
    assert owners == ["root:postfix", "root:opendkim", "root:root"]


def test_passwords_may_be_given(tmp_path, options):
    folder = tmp_path / "etc/emboux"
    folder.mkdir(parents=True)
    file = folder / "passwords"
    file.touch(mode=0o600)
    file.write_text("".join(f"{role} = {'x' * 20}{n}\n" for n, role in enumerate(passwords.ROLES)))
    text = file.read_text()
    server(tmp_path, *options)
    assert as_root("cat", file) == text
    assert "x" * 20 + "0" in as_root("cat", tmp_path / "etc/postfix/sql-domains.cf")

    for wrong, why in (("emboux_mail=short", "16 to 128"), ("nobody=" + "x" * 20, "no role"),
                       ("emboux_mail=" + "x" * 16 + "'; --", "16 to 128")):
        file.write_text(wrong)
        assert why in server(tmp_path, *options, code=1)
    file.chmod(0o644)
    assert "chmod 600" in server(tmp_path, *options, code=1)


@pytest.mark.parametrize(("wrong", "why"), [
    (["--host", "mail"], "no full host name"),
    (["--host", "mail.example.org; rm"], "no full host name"),
    (["--host", HOST, "--cert", "/x.pem"], "belong together"),
    (["--host", HOST, "--cert", "x.pem", "--key", "/k"], "full path"),
    (["--host", HOST, "--db-host", "a b"], "blanks"),
    (["--host", HOST, "--email", "root"], "no address"),
    (["--host", HOST, "--db-name", "x'y"], "alone"),
    (["--host", HOST, "--odoo-url", "odoo.example.org"], "http://"),
    ([], "--host"),
])
def test_what_cannot_be_right_is_said_with_the_remedy(tmp_path, wrong, why):
    assert why in server(tmp_path, "--yes", *wrong, code=1)
    assert not list(tmp_path.iterdir())


# -- the programs themselves -------------------------------------------------------------------


def in_place(root, *argv, code=0):
    return as_root("unshare", "--mount", "--net", "sh", "-c", IN_PLACE, root, PROJECT, *argv,
                   code=code)


def test_the_programs_take_the_files(image):
    said = in_place(image, sys.executable, "-B", "-c", ASK_THE_PROGRAMS)
    assert "take the files" in said
    # systemd and rsyslog are not everywhere where tests run
    missing = [line for line in said.splitlines() if "not installed" in line]
    assert not [line for line in missing if "systemd" not in line and "rsyslog" not in line], said


@pytest.mark.parametrize(("path", "line", "program"), [
    ("postfix/main.cf", "nonsense = $none", "Postfix"),
    ("dovecot/dovecot.conf", "nonsense = {", "Dovecot"),
    ("opendkim/opendkim-ed25519.conf", "Nonsense yes", "OpenDKIM"),
    ("logrotate.d/emboux", "/x { nonsense", "logrotate"),
])
def test_a_program_that_does_not_take_its_files_is_named(image, path, line, program):
    said = in_place(image, "sh", "-c", f"""echo '{line}' >> /etc/{path}
        exec {sys.executable} -B -c '{ASK_THE_PROGRAMS}'""", code=1)
    assert f"{program} does not take its files" in said


def test_the_listeners_are_those_of_a_mail_host(image):
    said = in_place(image, "sh", "-c", "postconf -M; doveconf -n; postconf -n")
    assert {line.split()[0] for line in said.splitlines() if " inet " in line} == {
        "25", "465", "587", f"127.0.0.1:{plan.PORTS['inject']}"}
    for port in (143, 993, 4190):
        assert f"port = {port}\n" in said
    for word in ("relayhost", "maillog_file", "inet_interfaces", "auth_failure_delay", "base_dir",
                 str(PROJECT / ".state")):
        assert word not in said


def test_mail_for_root_goes_to_who_looks_after_the_machine(tmp_path, options):
    server(tmp_path, *options)
    assert "system-mail" not in as_root("cat", tmp_path / "etc/postfix/main.cf")
    server(tmp_path, "--yes", "--email", "admin@example.org")

    def leads_to(address):
        return in_place(tmp_path, "postmap", "-q", address, "regexp:/etc/postfix/system-mail",
                        code=None).strip()

    assert leads_to(f"root@{HOST}") == "admin@example.org"
    for other in (f"ann@{HOST}", "root@mailxexample.org", f"root@{HOST}.test"):
        assert leads_to(other) == ""
    [line] = [line for line in in_place(tmp_path, "postconf", "-n").splitlines()
              if line.startswith("virtual_alias_maps ")]
    assert line.endswith("sql-aliases.cf, regexp:/etc/postfix/system-mail")


def test_the_demo_and_a_host_are_of_the_same_templates():
    """What is the demo's alone is in its folder."""
    folders = [TEMPLATES / name for name in ("postfix", "dovecot-2.3", "dovecot-2.4", "opendkim")]
    for path in (path for folder in folders for path in folder.iterdir()):
        assert "@STATE@" not in path.read_text() and "(demo)" not in path.read_text(), path


def test_a_database_elsewhere_is_reached_by_tls_alone(tmp_path, options):
    server(tmp_path, *options, "--db-host", "db.example.org", "--db-ca", "/etc/ssl/db.pem")
    for path in ("etc/postfix/main.cf", "etc/dovecot/sql.conf", "etc/dovecot/dict-usage.conf",
                 "etc/dovecot/sql-service.conf", "etc/systemd/system/emboux-signer.service",
                 "etc/systemd/system/emboux-signer-ed25519.service", "etc/emboux/odoo.conf"):
        text = as_root("cat", tmp_path / path)
        assert "verify-full" in text, path
    for name in plan.DAEMONS:
        text = as_root("cat", tmp_path / f"etc/systemd/system/emboux-{name}.service")
        assert "PGSSLROOTCERT=/etc/ssl/db.pem" in text


def test_what_reads_a_changed_file_is_started_anew():
    def units(*paths):
        return services.touched(paths)

    assert units("/etc/postfix/sql-relays.cf") == ["postfix"]
    assert units("/etc/opendkim/signer.lua") == list(plan.SIGNERS)
    assert units("/etc/emboux/queue.password") == ["emboux-queue"]
    assert units("/etc/systemd/system/emboux-policy.service") == ["emboux-policy"]
    assert units("/etc/systemd/system/postfix@.service.d/emboux.conf") == ["postfix"]
    for path in ("/etc/emboux/odoo.conf", plan.CODE):
        assert units(path) == [f"emboux-{name}" for name in plan.DAEMONS]
    assert units("/etc/emboux/server.json", "/etc/logrotate.d/emboux") == []


def test_each_port_of_the_configuration_is_looked_at():
    wanted = {*postfix.LISTENERS, *postfix.PORTS, "imap", "imaps", "sieve", "policy"}
    assert wanted <= set(plan.PORTS)
    assert {f"emboux_{name}": plan.METRICS[f"{name}_metrics"] for name in plan.DAEMONS} == (
        daemon_options.PORTS)
    assert len(set(plan.PORTS.values())) == len(plan.PORTS)


def test_odoo_has_to_be_where_services_can_read_it(tmp_path):
    own = Path(sys.executable).parent / "odoo"
    [found] = odoo.check("/usr/bin/no-such-odoo")
    assert found.serious and "There is no program" in found.text
    [found] = odoo.check(str(own))
    if Path(sys.executable).resolve().is_relative_to("/root"):
        assert "lies in /root" in found.text and found.serious
    else:
        assert not found.is_fault, found.text
    other = tmp_path / "odoo"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    [found] = odoo.check(str(other))
    assert found.serious


# -- the certificate ---------------------------------------------------------------------------


def faults(findings):
    """What is wrong, each with a remedy."""
    return [finding.text for finding in findings if finding.is_fault]


def test_the_certificate(certificates, tmp_path):
    cert, key = certificates()
    assert not faults(certificate.check(cert, key, HOST))
    # a good one of its own authority, and one of nobody's
    assert not [f for f in certificate.check(cert, key, HOST, authorities=cert) if f.note]
    assert [f for f in certificate.check(cert, key, HOST) if f.note]

    [said] = faults(certificate.check(cert, key, "mx.example.org"))
    assert f"not for mx.example.org but for DNS:{HOST}" in said
    soon = certificates(days=5)
    assert "less than 14 days" in faults(certificate.check(*soon, HOST))[0]
    over = certificates(days=-1)
    assert "ended on" in faults(certificate.check(*over, HOST))[0]
    other = certificates(host="other.example.org")[1]
    [said] = faults(certificate.check(cert, other, HOST))
    assert "is not that of the certificate" in said
    open_key = tmp_path / "open.key"
    open_key.write_bytes(key.read_bytes())
    open_key.chmod(0o644)
    [said] = faults(certificate.check(cert, open_key, HOST))
    assert "Everybody" in said
    assert "There is no" in faults(certificate.check(tmp_path / "none", key, HOST))[0]
    assert "no certificate in PEM" in faults(certificate.check(key, key, HOST))[0]


def test_the_port_that_certbot_needs():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [found] = certificate.check_way_in(Settings(HOST), port)
        assert found.serious and "--webroot" in found.remedy
        assert not faults(certificate.check_way_in(Settings(HOST, webroot="/var/www"), port))
    assert not faults(certificate.check_way_in(Settings(HOST), port))


def test_certbot_is_asked_as_said():
    chosen = Settings(HOST, email="a@example.org")
    assert certificate.command(chosen)[-4:] == ["--cert-name", HOST, "--domain", HOST]
    assert "--standalone" in certificate.command(chosen)
    words = certificate.command(Settings(HOST, webroot="/var/www", acme_server="https://acme.test/"))
    assert words[words.index("--webroot-path") + 1] == "/var/www"
    assert words[words.index("--server") + 1] == "https://acme.test/"


# -- what is around ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(state):
    """A folder with a path that is short enough for a socket, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir=state.folder("run"), prefix="h") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def resolver(place):
    """A Knot that has all names of these tests; returns ``Names`` that asks it."""
    folder = place
    ports = State(folder / "state")
    zone = folder / "root.zone"
    zone.write_text(f"""
$ORIGIN .
$TTL 60
@ SOA ns.test. hostmaster.test. 1 60 60 60 60
@ NS ns.test.
{HOST}. A {ADDRESS}
5.113.0.203.in-addr.arpa. PTR {HOST}.
both.test. A 203.0.113.6
both.test. AAAA 2001:db8::6
6.113.0.203.in-addr.arpa. PTR other.test.
6.113.0.203.bl.test. A 127.0.0.2
5.113.0.203.mute.test. A 127.255.255.254
open.test. MX 20 closed-mx.test.
open.test. MX 10 mx.test.
mx.test. A 127.0.0.1
closed.test. MX 10 closed-mx.test.
closed-mx.test. A 127.0.0.2
""")
    conf = folder / "knot.conf"
    port = ports.port("dns")
    conf.write_text(f"""
server:
    listen: 127.0.0.1@{port}
    rundir: "{folder}"
database:
    storage: "{folder}"
zone:
  - domain: "."
    file: "{zone}"
    zonefile-sync: -1
    journal-content: none
""")
    supervisor = Supervisor(ports, echo=False)
    supervisor.start(Service("knot", ("/usr/sbin/knotd", "-c", str(conf)), ready=listening(port),
                             cwd="/"))
    yield names.Names(f"127.0.0.1:{port}", seconds=2)
    supervisor.stop()


def test_names_and_blocklists(resolver):
    sending = [ip_address(ADDRESS)]
    assert not faults(names.check(resolver, HOST, sending, ["bl.test"]))
    said = faults(names.check(resolver, "both.test", [ip_address("203.0.113.6")], ["bl.test"]))
    assert len(said) == 3  # two reverse names, one list
    assert "203.0.113.6 has the name other.test (PTR), not both.test." in said
    assert "2001:db8::6 has no name (PTR), not both.test." in said
    assert "203.0.113.6 is on the blocklist bl.test." in said
    assert "no address for none.test" in faults(names.check(resolver, "none.test", sending))[0]
    # a list that does not answer who asks is no clean bill
    found = names.check(resolver, HOST, sending, ["mute.test"])
    assert [finding.text for finding in found if finding.note] == [
        "mute.test answers nobody who asks by this resolver."]

    [said] = faults(names.check(resolver, HOST, [*sending, ip_address("2001:db8::9")], []))
    assert "2001:db8::9" in said and "no AAAA record" in said
    [said] = faults(names.check(resolver, HOST, [ip_address("198.51.100.1")], []))
    assert f"leads to {ADDRESS}" in said
    found = names.check(resolver, HOST, [ip_address("10.0.0.2")], [])
    assert not faults(found) and "translated" in found[1].text


def test_a_resolver_that_is_away_is_a_fault():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asked = names.Names(f"127.0.0.1:{silent.getsockname()[1]}", seconds=0.3)
        [said] = names.check(asked, HOST, [])
    assert said.serious and "resolv.conf" in said.remedy


def greeting(text):
    """A server that says this to whoever connects."""
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(text)

    return socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)


def test_the_way_out(resolver):
    with greeting(b"220 mx.test ESMTP\r\n") as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        port = listener.server_address[1]
        # on 127.0.0.2 nobody listens
        [found] = machine.check_way_out(resolver, ["closed.test", "open.test"], port, seconds=2)
        assert "mx.test answers" in found.text
        [said] = faults(machine.check_way_out(resolver, ["closed.test"], port, seconds=2))
        listener.shutdown()
    assert "closed-mx.test" in said
    with greeting(b"554 not for you\r\n") as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        assert faults(machine.check_way_out(
            resolver, ["open.test"], listener.server_address[1], seconds=2))
        listener.shutdown()


def test_ports_that_others_have(status):
    taken = status["imap"]["port"]
    assert machine.listeners()[taken][1] == "dovecot"
    ours = {name: status[name]["port"] for name in ("imap", "smtp", "policy")}
    assert not faults(machine.check_ports(ours, served=True))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        [found] = machine.check_ports({"smtp": port})
        assert found.serious and f"Port {port} (smtp) is taken by" in found.text
    assert not faults(machine.check_ports({"smtp": port}))
    assert faults(machine.check_ports({"smtp": port}, served=True)) == [
        f"Nothing listens on port {port} (smtp)."]


@pytest.mark.parametrize(("ahead", "fault"), [
    (0, None), (-300, "300 s ahead"), (90, "90 s behind")])
def test_the_clock(ahead, fault):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as clock:
        clock.bind(("127.0.0.1", 0))

        def answer():
            _request, client = clock.recvfrom(512)
            now = time.time() + machine.SINCE_1900 + ahead
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            clock.sendto(b"\x1c\x02" + bytes(38) + stamp, client)

        thread = threading.Thread(target=answer)
        thread.start()
        found = machine.check_clock("127.0.0.1", clock.getsockname()[1])
        thread.join()
    assert faults(found) == [] if fault is None else fault in faults(found)[0]


def test_a_time_server_that_is_away_is_said():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        [found] = machine.check_clock("127.0.0.1", silent.getsockname()[1], seconds=0.2)
    assert found.note and "not compared" in found.text


def test_memory(tmp_path):
    assert "0.5 GB of memory" in faults(machine.check_size(tmp_path, memory=500_000_000))[0]


# -- the database ------------------------------------------------------------------------------


def test_the_database(state, status):
    chosen = Settings(HOST, db_port=status["postgres"]["port"], db_name=status["postgres"]["db"])

    def said(settings=chosen, password=state.secret):
        return faults(database.check(settings, password))

    assert not said()
    [fault] = said(password=lambda role: "wrong" if role == "emboux_relay" else state.secret(role))
    assert "password of emboux_relay" in fault
    [fault] = said(Settings(HOST, db_port=chosen.db_port, db_name="nowhere"))
    assert "no database nowhere" in fault
    [fault] = said(Settings(HOST, db_port=chosen.db_port, db_name="postgres"))
    assert "no schema emboux_mail" in fault
    # "elsewhere", by a name of this machine; the test's PostgreSQL has no TLS
    [fault] = said(Settings(HOST, db_host="localhost.localdomain", db_port=chosen.db_port,
                            db_name=chosen.db_name, db_ca="/etc/ssl/certs/ca-certificates.crt"))
    assert "offers no TLS" in fault or "does not answer" in fault
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        [fault] = said(Settings(HOST, db_port=unused.getsockname()[1]))
    assert "does not answer" in fault


def test_the_roles_are_made_by_the_sql_that_is_printed(state, tmp_path, options):
    from parts import postgres

    folder = tmp_path / "etc/emboux"
    folder.mkdir(parents=True)
    file = folder / "passwords"
    file.touch(mode=0o600)
    # those of this world: its programs go on with them
    file.write_text("".join(f"{role}={state.secret(role)}\n" for role in passwords.ROLES))
    made = server(tmp_path, "--host", HOST, "--roles")
    for _again in range(2):
        postgres.sql(state, made)
    new = made.replace("emboux_mail", "emboux_new_role", 4)
    assert "emboux_new_role" in new
    try:
        postgres.sql(state, new)
        assert postgres.sql(state, "SELECT rolcanlogin, rolsuper, rolcreatedb FROM pg_roles"
                                   " WHERE rolname = 'emboux_new_role'") == "t|f|f"
    finally:
        postgres.sql(state, "DROP ROLE IF EXISTS emboux_new_role")
