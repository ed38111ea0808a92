"""Odoo 19's code and the Python it runs on, without touching the system's Python.

Three sources, the first that is there: the tree named in ``ODOO_SOURCE``, an ``odoo`` that
``python3`` can already import, Debian's package ``odoo-19`` unpacked into the state folder.
"""

import ast
import hashlib
import importlib.util
import os
import re
import shutil
import sys
from pathlib import Path

from . import system
from .task import Task

SERIES = 19
PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements.txt"

# odoo-19 links fonts and scripts of these by relative paths inside its own tree
UNSTABLE = (
    "odoo-19", "libjs-jquery", "libjs-jquery-form", "libjs-underscore",
    "fonts-roboto-unhinted", "fonts-montserrat", "fonts-inconsolata", "fonts-ocr-b",
)
STABLE = ("fonts-font-awesome",)  # 4.7: unstable's 7 has other files

# Debian leaves this file out for its licence, yet Odoo's list of assets names it
LEFT_OUT = "odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"


def packages():
    """What Debian's Python lacks for a virtual environment."""
    return ("python3-venv",) if importlib.util.find_spec("ensurepip") is None else ()


def prepare(state):
    """Make ``<code>/venv`` with an ``odoo`` command in it.

    Odoo is fetched while Python's packages are installed.
    """
    fetching = Task(lambda: _source(state))
    venv = state.code / "venv"
    if not is_current(venv):
        _stamp(venv).unlink(missing_ok=True)
        _make_venv(venv)
        _stamp(venv).write_text(_wanted())
    _link(venv, fetching.wait())


def is_current(venv):
    """Whether the virtual environment has what this checkout needs, for this Python."""
    return _stamp(venv).exists() and _stamp(venv).read_text() == _wanted()


def _stamp(venv):
    return venv / ".complete"


def _wanted():
    # an upgrade of the system brings another Python, for which it is made again
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()


def manifest(addon):
    """Of an add-on of this checkout."""
    return ast.literal_eval((PROJECT / addon / "__manifest__.py").read_text())


def addons_path(state):
    root = _source(state)
    places = [root / "odoo" / "addons", root / "addons", PROJECT]
    return ",".join(str(p) for p in places if any(p.glob("*/__manifest__.py")))


def identity(state):
    """Changes when a file of Odoo does that makes a database: a few letters."""
    root = _source(state)
    times = [
        Path(folder, name).stat().st_mtime_ns
        for folder, _folders, names in os.walk(root)
        for name in names if name.endswith((".py", ".xml", ".csv"))
    ]
    return hashlib.sha256(f"{root} {len(times)} {max(times)}".encode()).hexdigest()[:16]


def _source(state):
    if os.environ.get("ODOO_SOURCE"):
        return _checked(Path(os.environ["ODOO_SOURCE"]).resolve())
    spec = importlib.util.find_spec("odoo")
    if spec and spec.submodule_search_locations:
        found = Path(next(iter(spec.submodule_search_locations))).parent
        if (found / "odoo" / "release.py").exists():
            return _checked(found)
    return _debian(state)


def _checked(root):
    release = root / "odoo" / "release.py"
    if not release.exists():
        raise SystemExit(f"{root} is no Odoo source tree: {release} is missing.")
    found = re.search(r"^version_info = \((\d+)", release.read_text(), re.MULTILINE)
    if not found or int(found[1]) != SERIES:
        series = found[1] if found else "unknown"
        raise SystemExit(
            f"{root} holds Odoo {series}; these add-ons are for Odoo {SERIES}. "
            f"Name a source tree of Odoo {SERIES} in ODOO_SOURCE and start again."
        )
    return root


def _debian(state):
    tree = state.code / "odoo-19"
    root = tree / "usr" / "lib" / "python3" / "dist-packages"
    if tree.exists():
        return _checked(root)
    print("Fetching Odoo 19 from Debian (about 130 MB) ...", flush=True)
    work = state.code / "odoo-19.unpack"
    shutil.rmtree(work, ignore_errors=True)
    downloads = state.code / "apt" / "archives"
    _download(state, downloads)
    print("Unpacking Odoo 19 ...", flush=True)
    work.mkdir(parents=True)
    for package in sorted(downloads.glob("*.deb")):
        system.unpack(package, work)
    left_out = work / root.relative_to(tree) / LEFT_OUT
    if not left_out.exists():
        left_out.parent.mkdir(parents=True, exist_ok=True)
        left_out.write_text("// Left out by Debian: calls have no background blur here.\n")
    work.rename(tree)
    shutil.rmtree(downloads)
    return _checked(root)


def _download(state, target):
    """Let apt fetch and verify the packages with lists of its own; nothing is installed."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    source = mirror("debian")
    apt = target.parent
    for suite, names in (("sid", UNSTABLE), (system.release(), STABLE)):
        own = apt / suite
        for folder in ("lists/partial", "cache/archives/partial", "parts"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (own / "sources.list").write_text(f"deb [signed-by={keyring}] {source} {suite} main\n")
        (own / "status").touch()
        options = [
            "-qq",
            "-o", f"Dir::Etc::SourceList={own}/sources.list",
            "-o", f"Dir::Etc::SourceParts={own}/parts",
            "-o", f"Dir::Etc::PreferencesParts={own}/parts",
            "-o", f"Dir::State::Lists={own}/lists",
            "-o", f"Dir::State::Status={own}/status",
            "-o", f"Dir::Cache={own}/cache",
            "-o", "APT::Sandbox::User=",  # the folder may be closed to the user _apt
        ]
        system.run(["apt-get", *options, "update"])
        if suite == "sid":
            _assert_series(system.run(["apt-cache", *options[1:], "search", "^odoo-[0-9]+$"]))
        system.run(["apt-get", *options, "download", *names], cwd=target)


def _assert_series(found):
    if f"odoo-{SERIES} " in found:
        return
    others = ", ".join(line.split()[0] for line in found.splitlines()) or "no Odoo at all"
    raise SystemExit(
        f"Debian unstable carries {others} and not odoo-{SERIES}, which these add-ons need. "
        f"Get a source tree of Odoo {SERIES} and start again with ODOO_SOURCE=/path/to/it."
    )


def mirror(archive):
    """The mirror of ``debian`` or ``debian-security`` that this machine is set up with."""
    lines = system.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(CODENAME) $(COMPONENT)",
         "Created-By: Packages"]
    ).splitlines()
    for line in lines:
        uri = line.split()[0]
        if uri.rstrip("/").endswith(f"/{archive}"):
            return uri
    raise SystemExit(f"apt knows no mirror of {archive} here: add one to /etc/apt/sources.list.")


def _make_venv(venv):
    print("Installing Python packages into a virtual environment ...", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    system.run([sys.executable, "-m", "venv", venv])
    pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    # All that is needed is named with its version, so that pip need not look for it and may fetch
    # and unpack one half beside the other.
    names = re.findall(r"^[^#\s]+", REQUIREMENTS.read_text(), re.MULTILINE)
    halves = [
        Task(lambda half=half: system.run([*pip, "install", "-q", "--no-deps", *half]))
        for half in (names[0::2], names[1::2])
    ]
    for half in halves:
        half.wait()
    system.run([*pip, "check"])


def _link(venv, root):
    """Have Python find the Odoo that lies in ``root``, as a package and as a command."""
    python = venv / "bin" / "python"
    [site] = venv.glob("lib/python*/site-packages")
    path = site / "odoo_source.pth"
    if path.exists() and path.read_text() == f"{root}\n":
        return
    # pip is told which Odoo is here, so that OCA add-ons from PyPI find their requirement
    info = site / f"odoo-{SERIES}.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: odoo\nVersion: {SERIES}.0\nSummary: Odoo from {root}\n")
    (info / "INSTALLER").write_text("emboux setup\n")
    (info / "RECORD").touch()
    # a real script: `python -m odoo` cannot start its own gevent process
    command = venv / "bin" / "odoo"
    command.write_text(
        f"#!{python}\nimport sys\n\nfrom odoo.cli.command import main\n\n"
        'if __name__ == "__main__":\n    sys.exit(main())\n')
    command.chmod(0o755)
    path.write_text(f"{root}\n")
