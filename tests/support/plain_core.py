"""The plain Python parts of ``emboux_core`` as a package that does not import Odoo.

    from support.plain_core.backends.emboux import EmbouxBackend
"""

import sys
import types
from pathlib import Path

_CORE = Path(__file__).resolve().parents[2] / "emboux_core"

# The add-on's own __init__ would import its models, that of its tests all of them.
__path__ = [str(_CORE)]
_tests = types.ModuleType(f"{__name__}.tests")
_tests.__path__ = [str(_CORE / "tests")]
sys.modules[_tests.__name__] = _tests
