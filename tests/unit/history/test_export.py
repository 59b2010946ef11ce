"""`steelyard data export` in a shell: which formats there are is known to the package of formats alone."""

import subprocess

from steelyard.dataset.build import FORMATS
from tests.conftest import BIN
from tests.unit.history.test_diff import OLD, manifest


def test_an_unknown_format_is_answered_with_all(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "data/dataset").mkdir(parents=True)
    manifest(*OLD).write(tmp_path / "data/dataset.json")
    command = [BIN / "steelyard", "data", "export", "out", "--format", "tfrecord"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: format 'tfrecord': is none of {', '.join(FORMATS)}\n"
