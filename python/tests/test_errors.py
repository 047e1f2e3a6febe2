"""Error codes: each that is raised is listed with its meaning, and documented."""

import ast
import re
from pathlib import Path

from tft_export.errors import CODES

ROOT = Path(__file__).parents[2]


def raised():
    codes = {"unsupported_option"}
    for path in (ROOT / "python" / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ExportError":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: not a literal code"
                codes.add(node.args[0].value)
    return codes


def test_every_code_that_is_raised_is_listed_and_no_other():
    assert raised() == set(CODES)


def test_the_documentation_has_every_code_with_its_meaning():
    text = (ROOT / "docs" / "export.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert {code: documented.get(code) for code in CODES} == CODES
