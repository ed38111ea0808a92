"""The structure that ARCHITECTURE.md promises.  ``python tests/test_structure.py`` prints it."""

import ast
import collections
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ADDONS = ("emboux_core", "emboux_mail_api", "emboux_saas", "emboux_mass_mailing")
#: In how many files of the add-ons a record may be.
MAX_FILES = {"emboux.domain": 10, "emboux.customer": 5, "emboux.mailbox": 8}
#: From top to bottom; a folder imports what is below it, and itself.
LAYERS = (
    {"cli", "wizard"},
    {"controllers"},
    {"models"},
    {"backends"},
    {"billing", "dns", "emboux_daemons", "events", "providers", "sending"},
    {"net"},
)
OVERRIDES = ("create", "write", "unlink")


def sources():
    """(path below the project, its syntax tree) of what runs, tests left out."""
    for addon in ADDONS:
        for path in sorted((PROJECT / addon).rglob("*.py")):
            name = path.relative_to(PROJECT)
            if "tests" not in name.parts and "migrations" not in name.parts:
                yield name, ast.parse(path.read_text())


def classes():
    """Model to [(file, class, overrides of create, write and unlink)]."""
    found = collections.defaultdict(list)
    for name, tree in sources():
        for node in tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            texts = {}
            for line in node.body:
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                    texts[line.targets[0].id] = line.value
            model = texts.get("_name") or texts.get("_inherit")
            if isinstance(model, ast.Constant) and isinstance(model.value, str):
                own = [f.name for f in node.body
                       if isinstance(f, ast.FunctionDef) and f.name in OVERRIDES]
                found[model.value].append((name, node.name, own))
    return found


def imports():
    """(importing file, imported module below the project) among the add-ons."""
    for name, tree in sources():
        package = list(name.parts[:-1])
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level:
                module = package[: len(package) - node.level + 1]
                module += node.module.split(".") if node.module else []
            elif (node.module or "").startswith("odoo.addons.emboux_"):
                module = node.module.split(".")[2:]
            else:
                continue
            # `from . import guard` names modules too
            for alias in node.names:
                yield name, [*module, alias.name]


def layer(parts):
    """The number of the layer, from the top; what lies in no folder is at the bottom."""
    for number, folders in enumerate(LAYERS):
        if parts[1] in folders:
            return number
    return len(LAYERS)


@pytest.mark.parametrize("model", MAX_FILES)
def test_a_record_is_in_few_files(model):
    files = {name for name, _class, _own in classes()[model]}
    assert len(files) <= MAX_FILES[model], sorted(map(str, files))


@pytest.mark.parametrize("model", MAX_FILES)
def test_a_record_is_changed_in_one_place(model):
    """What others have to do with it they do in the hooks of that one."""
    places = {name for name, _class, own in classes()[model] if own}
    assert len(places) == 1, sorted(map(str, places))


def test_a_model_is_extended_once_in_a_file():
    for model, found in classes().items():
        files = collections.Counter(name for name, _class, _own in found)
        assert max(files.values()) == 1, (model, files)


def test_imports_point_down():
    wrong = []
    for name, module in imports():
        if len(name.parts) < 3:
            continue  # an add-on's own __init__, which imports all
        same = module[0] == name.parts[0] and module[1] == name.parts[1]
        above = ADDONS.index(module[0]) > ADDONS.index(name.parts[0])
        here, there = layer(name.parts), layer(module)
        up = there < here if module[0] != name.parts[0] else there <= here
        if above or (not same and up):
            wrong.append(f"{name} imports {'.'.join(module)}")
    assert not wrong, "\n".join(wrong)


def test_the_daemons_import_nothing_of_the_add_on():
    """Not even what lies below them: a command imports their package by itself."""
    own = ("emboux_mail_api", "emboux_daemons")
    wrong = [f"{name} imports {'.'.join(module)}" for name, module in imports()
             if name.parts[:2] == own and tuple(module[:2]) != own]
    assert not wrong, "\n".join(wrong)


def main():
    for model, found in sorted(classes().items(), key=lambda item: -len(item[1]))[:20]:
        own = sum(len(names) for _file, _class, names in found)
        print(f"{model:24} {len({name for name, *_rest in found}):3} files"
              f" {len(found):3} classes {own:3} of create, write, unlink")


if __name__ == "__main__":
    sys.exit(main())
