"""For the commands in ``cli/``, which load no registry: parts of this add-on by themselves.

They find this file by its path (``runpy``), because to import it by name would run the add-on's
own ``__init__``, and with it all its models.
"""

import importlib
import sys
import types
from pathlib import Path


def load(*parts):
    """The modules of these names, such as ``policy.daemon``; they may import one another."""
    package = types.ModuleType("emboux_mail_api_plain")
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules[package.__name__] = package
    return [importlib.import_module(f"{package.__name__}.{part}") for part in parts]
