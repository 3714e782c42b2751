"""Budgets of modules and functions (DESIGN §4): what is too long is where decisions hide."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "trimtab"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION, USUAL_FUNCTION, SHARE = 400, 60, 30, 0.9

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"


def test_functions_are_short() -> None:
    lengths = {(path, node.name): (node.end_lineno or 0) - node.lineno + 1 for path in MODULES for node in functions(path)}
    assert not [name for name, length in lengths.items() if length > LONGEST_FUNCTION]
    assert sum(length < USUAL_FUNCTION for length in lengths.values()) / len(lengths) >= SHARE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_public_functions_and_classes_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    inner = {node for outer in ast.walk(tree) if isinstance(outer, Function) for node in ast.walk(outer) if node is not outer}
    named = [node for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef) and node not in inner]
    assert not [node.name for node in named if not node.name.startswith("_") and not ast.get_docstring(node)]
