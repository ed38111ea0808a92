#!/usr/bin/env python3
"""Makes a bare Debian a mail host by ``setup/server``, sends mail through it, and takes it back.

    ./setup/test-on 13 --sh tests/server_trial.py        (or 12; some ten minutes)

It has to be alone on its machine: in the tree of ``test-on``, as root.  In there is a network with
two machines: the mail host, and one that plays the world: the root of the DNS, a time server, an
authority that speaks ACME (pebble, where this Debian has it), and a server to send mail to.  Odoo
and PostgreSQL run beside the mail host, whose process 1 is systemd.
"""

import imaplib
import json
import os
import re
import shlex
import shutil
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import time
import urllib.request
from email.message import EmailMessage
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE / "setup"))

from host import plan  # noqa: E402
from parts import postfix, postgres, tls  # noqa: E402
from parts.render import render  # noqa: E402
from parts.state import State  # noqa: E402

CHECKOUT = Path("/opt/checkout")  # /root is closed to the daemons
ODOO = CHECKOUT / ".state/venv/bin/odoo"
WORK = Path("/srv/trial")
HOST, HOST_ADDRESS = "mail.emboux.example", "203.0.113.5"
DATABASE = "db.emboux.example"
WORLD = "203.0.113.9"
ALICE, BOB, OUTSIDE = "alice@emboux.example", "bob@emboux.example", "joe@outside.example"
PACKAGES = ("iproute2", "systemd-sysv", "dbus", "knot")
ZONE = f"""$ORIGIN .
$TTL 60
@ SOA ns.world. hostmaster.world. 1 60 60 60 60
@ NS ns.world.
ns.world. A {WORLD}
acme.world. A {WORLD}
2.debian.pool.ntp.org. A {WORLD}
gmail.com. MX 10 mx.world.
outside.example. MX 10 mx.world.
mx.world. A {WORLD}
{HOST}. A {HOST_ADDRESS}
{DATABASE}. A 127.0.0.1
5.113.0.203.in-addr.arpa. PTR {HOST}.
"""


#: A machine of its own in this tree: systemd as its process 1, with the devices of a container.
BOOT = """
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /mnt
for name in null zero full random urandom tty; do
    touch /mnt/$name; mount --bind /dev/$name /mnt/$name; done
for name in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -s /proc/self/${name#*:} /mnt/${name%:*}; done
mkdir /mnt/pts /mnt/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /mnt/pts
ln -s pts/ptmx /mnt/ptmx
mount --move /mnt /dev
mount --make-rshared /
exec env -i container=trial PATH=$PATH /lib/systemd/systemd --unit=multi-user.target
"""


def main():
    if sys.argv[1:]:
        return {"prepare": prepare, "inside": inside, "clock": clock}[sys.argv[1]]()
    if not CHECKOUT.exists():
        shutil.copytree(HERE, CHECKOUT, symlinks=True)
    step = [sys.executable, "-B", CHECKOUT / "tests/server_trial.py"]
    subprocess.run([*step, "prepare"], check=True, cwd=CHECKOUT)
    return subprocess.run([*booted(), *step, "inside"], check=False, cwd=CHECKOUT).returncode


def booted():
    """Start systemd in namespaces of its own; returns the words that run a program there."""
    spaces = ("mount", "pid", "net", "uts", "ipc", "cgroup")
    machine = spawn("systemd", "unshare", *(f"--{space}" for space in spaces), "--fork",
                    "--kill-child", "sh", "-ec", BOOT)
    children = Path(f"/proc/{machine.pid}/task/{machine.pid}/children")
    [first] = eventually("a process 1", lambda: children.read_text().split())
    there = ["nsenter", "--target", first, "--all", "--root", "--wd"]
    eventually("systemd", lambda: run(
        *there, "systemctl", "is-system-running", code=None).strip() in ("running", "degraded"), 60)
    tell(f"systemd runs, {run(*there, 'systemctl', '--version').splitlines()[0]}")
    return there


def run(*argv, code=0, show=False, **options):
    """Run to the end; returns what it said.  ``code`` None: any exit code is well."""
    done = subprocess.run([str(a) for a in argv], check=False, text=True, cwd=CHECKOUT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if show:
        print("".join(f"   | {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
    if code is not None and done.returncode != code:
        raise SystemExit(
            f"{shlex.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def server(*options, **more):
    """setup/server, as its reader sees it."""
    print(f"== setup/server {shlex.join(map(str, options))}", flush=True)
    return run(sys.executable, "-B", "setup/server", *options, show=True, **more)


def tell(text):
    print(f"== {text}", flush=True)


def eventually(what, probe, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not happen within {seconds} s")
        time.sleep(0.2)
    return found


# -- with the network: fetch ------------------------------------------------------------------


def prepare():
    """All packages from the bare system on, Odoo's code, and a database with the demo's domain."""
    WORK.mkdir(exist_ok=True)
    said = server("--host", HOST, "--yes", "--odoo", ODOO, code=1)
    assert "There is no program" in said, "the first run is to end without Odoo"
    assert "Installing Debian packages" in said and "new: /etc/emboux/passwords" in said
    run("apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES)
    tell(run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "pebble", code=None)
         .strip().splitlines()[-1:] or "pebble is there")
    run("./setup/run", "--detach", show=True)
    (WORK / "status.json").write_text(run("./setup/run", "--status", "--json"))
    run("./setup/run", "--stop")


# -- the world ----------------------------------------------------------------------------------


class World:
    """The other machine."""

    def __init__(self):
        self.pid = spawn("world", "unshare", "--net", "sleep", "infinity").pid
        eventually("the other network", lambda: os.readlink(f"/proc/{self.pid}/ns/net")
                   != os.readlink("/proc/self/ns/net"))
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "host0", "type", "veth", "peer", "name", "world0",
            "netns", self.pid)
        run("ip", "address", "add", f"{HOST_ADDRESS}/24", "dev", "host0")
        run("ip", "link", "set", "host0", "up")
        for words in ("link set lo up", f"address add {WORLD}/24 dev world0", "link set world0 up"):
            run(*self.there("ip", *words.split()))
        run("ip", "route", "add", "default", "via", WORLD)
        Path("/etc/resolv.conf").write_text(f"nameserver {WORLD}\n")
        Path("/etc/hosts").write_text("127.0.0.1 localhost\n")

    def there(self, *argv):
        return ["nsenter", "--target", str(self.pid), "--net", *map(str, argv)]

    def start(self):
        folder = WORK / "dns"
        folder.mkdir()
        (folder / "root.zone").write_text(ZONE)
        (folder / "knot.conf").write_text(f"""
server:
    listen: {WORLD}@53
    rundir: "{folder}"
database:
    storage: "{folder}"
zone:
  - domain: "."
    file: "{folder}/root.zone"
    zonefile-sync: -1
    journal-content: none
""")
        spawn("knot", *self.there("/usr/sbin/knotd", "-c", folder / "knot.conf"))
        spawn("clock", *self.there(sys.executable, __file__, "clock"))
        spawn("outside", *self.there(
            ODOO.with_name("python"), "-m", "aiosmtpd", "-n", "-l", f"{WORLD}:25",
            "-c", "aiosmtpd.handlers.Mailbox", WORK / "outside"))
        eventually("a server outside", lambda: answers(WORLD, 25))

    def mail_outside(self):
        return [path.read_text() for path in (WORK / "outside").glob("new/*")]


def clock():
    """A time server, as RFC 4330 has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((WORLD, 123))
        while True:
            _request, client = own.recvfrom(512)
            now = time.time() + 2_208_988_800
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            own.sendto(b"\x1c\x02" + bytes(38) + stamp, client)


RUNNING = []


def spawn(name, *argv, **options):
    log = (WORK / f"{name}.log").open("ab")
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log, cwd="/", start_new_session=True, **options)
    RUNNING.append((name, process))
    return process


def answers(address, port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) == 0


def authority(world):
    """Options by which the host gets its certificate, and the environment for that; and the file of
    the authority, which is there once the certificate is."""
    if not shutil.which("pebble"):
        tell("This Debian has no pebble: the certificate is given.")
        _authority, cert, key = certified(HOST)
        return ["--cert", cert, "--key", key], {}
    signer, cert, key = certified("acme.world")
    conf = {"pebble": {
        "listenAddress": f"{WORLD}:14000", "managementListenAddress": f"{WORLD}:15000",
        "certificate": str(cert), "privateKey": str(key), "httpPort": 80, "tlsPort": 443,
        "ocspResponderURL": "", "externalAccountBindingRequired": False}}
    (WORK / "pebble.json").write_text(json.dumps(conf))
    spawn("pebble", *world.there("pebble", "-config", WORK / "pebble.json", "-dnsserver",
                                 f"{WORLD}:53"),
          env=os.environ | {"PEBBLE_VA_NOSLEEP": "1"})
    eventually("an ACME server", lambda: answers(WORLD, 14000))
    return (["--acme-server", "https://acme.world:14000/dir"],
            {"REQUESTS_CA_BUNDLE": str(signer)})


def certified(host):
    """An authority and its certificate for this name: (authority, certificate, key)."""
    folder = WORK / host
    folder.mkdir()
    render("tls/openssl.cnf", folder / "openssl.cnf", {"MAIL_HOST": host})
    tls.make(folder, host)
    return folder / "ca.pem", folder / "cert.pem", folder / "key.pem"


def trusted():
    """Who has signed the host's certificate."""
    if not shutil.which("pebble"):
        return WORK / HOST / "ca.pem"
    context = ssl.create_default_context(cafile=WORK / "acme.world/ca.pem")
    with urllib.request.urlopen("https://acme.world:15000/roots/0", context=context) as answer:
        (WORK / "root.pem").write_bytes(answer.read())
    return WORK / "root.pem"


# -- mail -----------------------------------------------------------------------------------------


def exchange(world, passwords, authorities, what):
    """Mail between the mailboxes, out into the world and in from there."""
    secure = ssl.create_default_context(cafile=authorities)

    def submit(recipient, subject, wrapped):
        made = EmailMessage()
        made["From"], made["To"], made["Subject"] = ALICE, recipient, subject
        made.set_content("Hello.\n")
        session = (smtplib.SMTP_SSL(HOST, 465, timeout=30, context=secure) if wrapped
                   else smtplib.SMTP(HOST, 587, timeout=30))
        with session as smtp:
            if not wrapped:
                smtp.starttls(context=secure)
            smtp.login(ALICE, passwords[ALICE])
            smtp.send_message(made)

    def subjects(address, starttls=False):
        client = (imaplib.IMAP4(HOST, 143, timeout=30) if starttls
                  else imaplib.IMAP4_SSL(HOST, 993, ssl_context=secure, timeout=30))
        if starttls:
            client.starttls(secure)
        client.login(address, passwords[address])
        client.select("INBOX", readonly=True)
        _ok, [numbers] = client.search(None, "ALL")
        found = []
        for number in numbers.split():
            _ok, parts = client.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            found.append(parts[0][1].decode().partition(":")[2].strip())
        client.logout()
        return found

    submit(BOB, f"{what} by 587", wrapped=False)
    submit(BOB, f"{what} by 465", wrapped=True)
    for port, starttls in ((587, False), (465, True)):
        eventually(f"{what} by {port} at {BOB}",
                   lambda p=port, s=starttls: f"{what} by {p}" in subjects(BOB, s))
    tell(f"{what}: submitted on 587 and 465, read by IMAP on 993 and 143, TLS checked")

    submit(OUTSIDE, f"{what} out", wrapped=False)
    [mail] = eventually("mail outside", lambda: [
        text for text in world.mail_outside() if f"Subject: {what} out" in text])
    signed = re.findall(r"DKIM-Signature:.*?a=([\w-]+);", mail, re.DOTALL)
    assert sorted(signed) == ["ed25519-sha256", "rsa-sha256"], mail
    tell(f"{what}: outside, signed with {' and '.join(signed)}")

    client = f"""
import smtplib
with smtplib.SMTP('{HOST}', 25, timeout=30) as smtp:
    smtp.ehlo('mx.world')
    smtp.sendmail('{OUTSIDE}', ['{ALICE}'], 'Subject: {what} in\\r\\n\\r\\nHello.')
    smtp.mail('{OUTSIDE}')
    print(smtp.rcpt('else@where.example'), smtp.rcpt('nobody@emboux.example'))
"""
    said = run(*world.there(sys.executable, "-c", client))
    assert "554" in said and "550" in said, said
    eventually("mail from outside", lambda: f"{what} in" in subjects(ALICE))
    tell(f"{what}: from outside on 25; no relay, no unknown mailbox: {said.strip()}")
    run("sendmail", "root", input=f"Subject: {what} of cron\n\nHello.\n")
    eventually("mail for root", lambda: f"{what} of cron" in subjects(ALICE))
    try:
        smtplib.SMTP_SSL(HOST, 465, timeout=30, context=secure).login(ALICE, "wrong password")
    except smtplib.SMTPAuthenticationError as refused:
        tell(f"{what}: a wrong password is refused: {refused.smtp_code}")
    else:
        raise SystemExit("a wrong password logs in")


# -- all of it ------------------------------------------------------------------------------------


def etc():
    """All of /etc but what this trial changes: names, kinds, modes, owners, links, contents."""
    left_out = ("./resolv.conf", "./hosts", "./letsencrypt", "./.pwd.lock")
    prune = " -o ".join(f"-path {path}" for path in left_out)
    return run("sh", "-c", rf"""cd /etc
        find . \( {prune} \) -prune -o -printf '%p %y %m %U:%G %l\n' | sort
        find . \( {prune} \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum""")


def inside():
    """In a network of its own."""
    status = json.loads((WORK / "status.json").read_text())
    passwords = status["demo_mailboxes"]
    world = World()
    world.start()
    state = State(CHECKOUT / ".state")
    try:
        run("./setup/run", "--detach", "--no-mail", show=True)
        options = ["--host", HOST, "--db-port", status["postgres"]["port"],
                   "--db-name", status["postgres"]["db"], "--odoo", ODOO,
                   "--odoo-url", status["odoo"]["url"], "--email", ALICE]
        given, environment = authority(world)
        server("--remove", "--yes")  # what the first run has left; the real one begins here
        before = etc()

        server("--check", *options, *given, code=1)
        assert etc() == before, "--check changed something"
        said = server(*options, *given, "--yes", code=1, env=os.environ | environment)
        assert "--roles" in said, "the roles have other passwords by now"
        postgres.sql(state, run(sys.executable, "-B", "setup/server", *options, *given, "--roles"))
        said = server(*options, *given, "--yes", env=os.environ | environment)
        assert "All services run" in said
        authorities = trusted()
        exchange(world, passwords, authorities, "first")
        assert "Nothing to do" in server("--yes")
        server("--check")

        renewed(environment, authorities)
        rotated(state, status)
        exchange(world, passwords, authorities, "after renewal and rotation")
        elsewhere(state, status)
        exchange(world, passwords, authorities, "database by TLS")
        encrypted(state, status)
        server("--check")

        server("--remove", "--yes")
        # Debian's own Dovecot goes on, with Debian's configuration
        ports = [plan.PORTS[name] for name in (*postfix.LISTENERS, *postfix.PORTS, "policy")]
        assert not [port for port in ports if answers("127.0.0.1", port)]
        assert etc() == before, "--remove left something: " + changed(before, etc())
        tell("/etc is as it was before, byte for byte")
    except BaseException:
        print(run("journalctl", "--no-pager", "-q", "-n", "120", "-u", "emboux-*", code=None))
        for name in ("pebble", "outside"):
            log = WORK / f"{name}.log"
            print(f"-- {name}\n" + (log.read_text()[-1500:] if log.exists() else ""))
        log = Path(plan.MAIL_LOG)
        print(log.read_text()[-4000:] if log.exists() else "no mail log")
        raise
    finally:
        run("./setup/run", "--stop", code=None)
        for _name, process in RUNNING:
            process.kill()
    print("The trial went well.")


def changed(before, after):
    old, new = set(before.splitlines()), set(after.splitlines())
    return "\n".join(sorted(f"- {line}" for line in old - new)
                     + sorted(f"+ {line}" for line in new - old))


def renewed(environment, authorities):
    """certbot renews, and the servers show the new one."""
    if not environment:
        return

    def serial():
        context = ssl.create_default_context(cafile=authorities)
        with socket.create_connection((HOST, 993), timeout=10) as plain, context.wrap_socket(
                plain, server_hostname=HOST) as connection:
            return connection.getpeercert()["serialNumber"]

    old = serial()
    run("certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew",
        env=os.environ | environment)
    eventually("a new certificate at the servers", lambda: serial() != old)
    tell("certbot has renewed the certificate, and Dovecot shows it")


def rotated(state, status):
    """The log is rotated, and what comes then is read all the same."""
    def known():
        return int(postgres.sql(state, "SELECT count(*) FROM emboux_mail.message",
                                status["postgres"]["db"]))

    tell(f"the message log has {eventually('a message log', known)} rows")
    run("logrotate", "--force", "/etc/logrotate.d/emboux")
    assert Path(f"{plan.MAIL_LOG}.1").exists() and Path(plan.MAIL_LOG).exists()


def elsewhere(state, status):
    """The database as if it were on another machine: by a name, and TLS that is checked."""
    signer, cert, key = certified(DATABASE)
    for path in (cert, key):
        shutil.chown(path, "postgres", "postgres")
    said = server("--check", "--db-host", DATABASE, "--db-ca", signer, code=1)
    assert "offers no TLS" in said
    for name, value in (("ssl_cert_file", cert), ("ssl_key_file", key), ("ssl", "on")):
        postgres.sql(state, f"ALTER SYSTEM SET {name} = '{value}'")
    postgres.sql(state, "SELECT pg_reload_conf()")
    time.sleep(1)
    said = server("--check", "--db-host", DATABASE, code=1)
    assert "cannot be trusted" in said
    said = server("--yes", "--db-host", DATABASE, "--db-ca", signer)
    assert "-db_sslmode = disable" in said and "+db_sslmode = verify-full" in said
    assert "All services run" in said


def encrypted(state, status):
    """Which roles are connected, and whether by TLS."""
    rows = postgres.sql(
        state, "SELECT DISTINCT usename || ' ' || ssl FROM pg_stat_activity JOIN pg_stat_ssl"
               " USING (pid) WHERE usename LIKE 'emboux%' ORDER BY 1", status["postgres"]["db"])
    tell(f"connected, and whether by TLS:\n{rows}")
    assert "false" not in rows and rows.count("true") >= 8, rows


if __name__ == "__main__":
    sys.exit(main())
