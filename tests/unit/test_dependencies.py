"""What the code imports, pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"steelyard", "tasks", "flows", "benchmarks"}


def read_imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_every_package_that_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w.-]+", each)[0].lower() for each in project["dependencies"]}
    packages = packages_distributions()
    files = [file for folder in OURS for file in (ROOT / folder).rglob("*.py")]
    modules = {module.split(".")[0] for file in files for module in read_imports(file)}
    undeclared = {
        module
        for module in modules - OURS - set(sys.stdlib_module_names)
        if not {name.lower() for name in packages.get(module, [module])} & declared
    }
    assert undeclared == set()
