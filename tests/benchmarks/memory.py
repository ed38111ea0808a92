"""Memory of a world at rest.  ``.state/venv/bin/python tests/benchmarks/memory.py [STATE]``

Prints for each server of a running world (./setup/run) the memory of its processes (PSS: what
several share is divided among them), of the daemons, and of all.  As root, who may see all.
"""

import contextlib
import json
import sys
from pathlib import Path

import psutil

DAEMONS = ("inbound", "policy", "queue", "retention", "transfer", "webhooks")


def pss(process):
    """Megabytes, with its children's."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += one.memory_full_info().pss
    return total / 2**20


def main(root=".state"):
    servers = json.loads(Path(root, "run", "pids.json").read_text())
    sizes = {name: pss(psutil.Process(pid)) for name, (pid, *_rest) in servers.items()}
    for name, size in sizes.items():
        print(f"{name:16} {size:7.1f} MB")
    print(f"{'the daemons':16} {sum(sizes[name] for name in DAEMONS):7.1f} MB")
    print(f"{'all':16} {sum(sizes.values()):7.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
