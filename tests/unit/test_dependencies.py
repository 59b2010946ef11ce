"""What the code imports, pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"steelyard", "tasks", "flows", "benchmarks"}


def read_imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


# A benchmark stands beside the plain tools, which nobody needs who only uses the project.
@pytest.mark.parametrize("folder", sorted(OURS))
def test_every_package_that_is_imported_is_declared(folder):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = project["dependencies"] + (project["optional-dependencies"]["test"] if folder == "benchmarks" else [])
    declared = {re.match(r"[\w.-]+", each)[0].lower() for each in allowed}
    packages = packages_distributions()
    modules = {module.split(".")[0] for file in (ROOT / folder).rglob("*.py") for module in read_imports(file)}
    undeclared = {
        module
        for module in modules - OURS - set(sys.stdlib_module_names)
        if not {name.lower() for name in packages.get(module, [module])} & declared
    }
    assert undeclared == set()
