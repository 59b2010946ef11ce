"""What the README and the docs show is true: paths exist, commands parse."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def read_blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def read_commands():
    """Every command of the pages' shell blocks and of their inline code."""
    for page in PAGES:
        for block in read_blocks(page, "bash"):
            for line in block.splitlines():
                for command in re.split(r"&&|\|", line.partition("#")[0]):
                    if command.strip():
                        yield command.strip()
        yield from re.findall(r"`((?:make|steelyard|dvc|git|\.venv/bin/\w+) [^`]+)`", page.read_text())


def test_the_tree_of_the_readme_is_there():
    (tree,) = read_blocks(ROOT / "README.md", "text")
    folder = ROOT
    named = set()
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r" {3,}", line.strip())[0].split()
        if not indent:
            folder = ROOT
        for name in names:
            path = (ROOT / name if not indent else folder / name).resolve()
            assert path.exists(), f"README names {path.relative_to(ROOT)}"
            named.add(path)
        if not indent and names[0].endswith("/"):
            folder = ROOT / names[0]
    library = {path for path in (ROOT / "steelyard").iterdir() if path.name not in ("__init__.py", "__pycache__")}
    missing = {path.name for path in library - named}
    assert not missing, f"the README's tree leaves out {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {command.split()[1] for command in read_commands() if command.startswith("make ")}
    assert used
    assert {name for name in used if "=" not in name} <= targets


def test_commands_of_the_tools_exist():
    help_of = {}
    for command in read_commands():
        words = command.removeprefix(".venv/bin/").split()
        if words[0] not in ("steelyard", "dvc") or len(words) < 2:
            continue
        tool, verb = words[:2]
        if (tool, verb) not in help_of:
            done = subprocess.run([BIN / tool, verb, "--help"], capture_output=True, text=True)
            assert done.returncode == 0, f"{tool} {verb}: {done.stderr}"
            help_of[tool, verb] = done.stdout
        subverb = (
            words[2]
            if len(words) > 2 and tool == "dvc" and verb in ("exp", "plots", "metrics", "queue", "remote")
            else None
        )
        assert subverb is None or subverb in help_of[tool, verb]
        for option in re.findall(r" (--?[a-zA-Z][\w-]*)", command):
            if subverb is None:
                assert option in help_of[tool, verb], f"{command}: {option}"


def test_params_named_in_the_pages_exist():
    from steelyard.overrides import check_overrides, parse_assignments

    assignments = {each for page in PAGES for each in re.findall(r"-S ([a-z_.]+=[\w.]+)", page.read_text())}
    assert assignments
    for each in assignments:
        check_overrides((ROOT / "params.yaml").read_text(), parse_assignments([each]))


def test_the_project_speaks_of_itself_alone():
    done = subprocess.run(
        ["git", "grep", "-nIE", r"/(work|root)/[a-z]|https?://[^ \"]*/simple\b"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = [
        line for line in done.stdout.splitlines() if "test_readme.py" not in line and not line.startswith("LICENSE")
    ]
    assert lines == []
