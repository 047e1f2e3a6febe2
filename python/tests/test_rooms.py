"""The folders of the package know only those below them."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "tft_export"
# From the top: a module may import from its own folder and from those listed below it. A file outside the
# folders counts as a folder of its own.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["commands"],
    ["training"],
    ["make_bundle"],
    ["judging"],
    ["variants"],
    ["windows", "graph"],
    ["checkpoint"],
    ["bundle"],
    ["goals"],
    ["description"],
    ["errors", "__init__"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """The modules of the package that a file imports, as paths from the package's folder."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            parts = [*base, *(node.module or "").split(".")] if node.module else list(base)
            for name in node.names:
                is_module = (PACKAGE.joinpath(*parts) / f"{name.name}.py").is_file()
                is_folder = (PACKAGE.joinpath(*parts) / name.name).is_dir()
                yield tuple([*parts, name.name] if is_module or is_folder else parts or ["__init__"])


def room(parts):
    return parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_its_own_folder_and_from_those_below(path):
    own = room(path.relative_to(PACKAGE).parts)
    for target in imports(path):
        there = room(target)
        assert there == own or FLOOR[there] > FLOOR[own], f"{own} imports {'.'.join(target)}"


def test_no_imports_go_in_a_circle():
    reads = {}
    for path in MODULES:
        name = path.relative_to(PACKAGE).with_suffix("").parts
        reads[name] = set(imports(path))
    done = set()

    def visit(name, above):
        assert name not in above, " imports ".join(".".join(part) for part in (*above, name))
        if name not in done:
            for target in reads.get(name, ()):
                visit(target, (*above, name))
            done.add(name)

    for name in reads:
        visit(name, ())
    assert len(done) >= len(MODULES)
