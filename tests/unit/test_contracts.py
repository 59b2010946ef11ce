"""The promises of the repository's form: which part may know which, and that names are the same everywhere."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.params import Params, read_yaml

ROOT = Path(__file__).parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]


def read_imports(file):
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def find_file(module):
    for file in (ROOT / Path(*module.split("."))).with_suffix(".py"), ROOT / Path(*module.split(".")) / "__init__.py":
        if file.is_file():
            return file
    return None


def walk_imports(file):
    """Files of this repository that a file needs, also indirectly, with the packages around them."""
    found, queue = set(), [file]
    while queue:
        file = queue.pop()
        found |= read_files(file)
        for module in read_imports(file):
            parts = module.split(".")
            for end in range(1, len(parts) + 1):
                each = find_file(".".join(parts[:end]))
                if each and each not in found:
                    found.add(each)
                    queue.append(each)
    return {path.relative_to(ROOT).as_posix() for path in found}


def read_files(file):
    """Python files that a file names as data beside it, as MLflow's model code is."""
    names = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
    return {file.parent / name for name in names if str(name).endswith(".py") and (file.parent / str(name)).is_file()}


def top_names(file):
    return {module.split(".")[0] for module in read_imports(file)}


def files_of(folder):
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("file", files_of("steelyard"), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_library_knows_neither_flows_nor_tasks_nor_prefect(file):
    assert not top_names(file) & {"flows", "tasks", "prefect"}


@pytest.mark.parametrize("file", files_of("flows"), ids=lambda file: file.name)
def test_flows_do_not_import_tasks(file):
    assert "tasks" not in top_names(file)


def test_only_the_record_speaks_to_mlflow_and_only_training_trains():
    for file in [*files_of("steelyard"), *files_of("tasks"), *files_of("flows")]:
        path = file.relative_to(ROOT).as_posix()
        if "mlflow" in top_names(file):
            assert path.startswith("steelyard/record/"), f"{path} imports mlflow"
        if any(module.endswith(("DetectionTrainer", "engine.trainer")) for module in read_imports(file)):
            assert path == "steelyard/training/trainer.py", f"{path} calls the trainer"


def test_a_stage_has_one_name_everywhere():
    sections = [field.alias or name for name, field in Params.model_fields.items()]
    assert list(STAGES) == sections == list(read_yaml(ROOT / "params.yaml"))
    assert {f"{name}.py" for name in STAGES} == {file.name for file in files_of("tasks")}
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"python -m tasks.{name}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_exactly_what_its_task_imports(name):
    task = ROOT / "tasks" / f"{name}.py"
    needed = {f"tasks/{name}.py", *walk_imports(task)}
    deps = {dep for dep in STAGES[name]["deps"] if dep.startswith(("tasks/", "steelyard/"))}
    for dep in list(deps):
        if (ROOT / dep).is_dir():
            inside = {file.relative_to(ROOT).as_posix() for file in files_of(dep)}
            unused = inside - needed
            assert not unused, f"{name} depends on {dep}, and does not import {sorted(unused)}"
            deps = deps - {dep} | inside
    assert deps == needed


def test_help_is_light():
    code = (
        "import sys; sys.argv = ['steelyard', '--help']\n"
        "from steelyard.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'ultralytics', 'mlflow', 'prefect', 'dvc', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_python_file_is_too_long_to_read():
    long = {
        file.relative_to(ROOT).as_posix(): len(file.read_text().splitlines())
        for folder in ("steelyard", "tasks", "flows")
        for file in files_of(folder)
    }
    assert {path: lines for path, lines in long.items() if lines > 340} == {}
