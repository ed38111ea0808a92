"""Configuration and keys that lie in files: one archive, with owners and modes."""

from .. import system

ARCHIVE = "files.tar"


def save(work, paths, report):
    """``paths``: files and folders, absolute."""
    missing = [path for path in paths if not path.exists()]
    for path in missing:
        report.problem(f"{path} is not there")
    there = [str(path.relative_to("/")) for path in paths if path not in missing]
    (work / ARCHIVE).unlink(missing_ok=True)
    if not there:
        return
    (work / ARCHIVE).touch(mode=0o600)
    system.run(["tar", "--create", "--file", work / ARCHIVE, "--numeric-owner",
                "--warning=no-file-changed", "-C", "/", "--", *there])


def restore(backup, target):
    """Unpack into the folder ``target``, below which paths are as they were."""
    system.run(["tar", "--extract", "--preserve-permissions", "--numeric-owner",
                "--file", backup / ARCHIVE, "-C", target])
