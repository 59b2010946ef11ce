"""A registered version's data comes back elsewhere from git and a DVC remote: a folder, or a machine over SSH."""

import getpass
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from steelyard.dataset.formats.yolo import label_path
from steelyard.dataset.manifest import DatasetManifest, compute_fingerprint
from steelyard.params import read_yaml
from steelyard.weights.identity import file_sha256
from tests.conftest import find_port

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@pytest.fixture(scope="module")
def home(weighed, tmp_path_factory):
    """A project whose weights are version 1, with a commit after it that has other data."""
    project = weighed.copy(tmp_path_factory.mktemp("home") / "repo", "shared")
    project.dvc("repro")
    project.git("add", "--all")
    project.git("commit", "-qm", "made")
    (project.root / "data/raw/shapes/images/train/00.png").unlink()
    (project.root / "data/raw/shapes/labels/train/00.txt").unlink()
    project.dvc("add", "data/raw/shapes")
    project.dvc("repro", "fetch")
    project.git("commit", "-qam", "one picture less")
    return project


@pytest.fixture(scope="module")
def ssh(tmp_path_factory):
    """OpenSSH's server for this user: its port, the user's key, and a home that knows the host."""
    if SSHD is None:
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what Debian's service does before it starts the server
    port = find_port()
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": folder / "host", "PidFile": "none",
        "AuthorizedKeysFile": folder / "user.pub", "StrictModes": "no", "UsePAM": "no",
        "PasswordAuthentication": "no", "Subsystem": "sftp internal-sftp",
    }  # fmt: skip
    (folder / "config").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    known = folder / "home/.ssh/known_hosts"
    known.parent.mkdir(parents=True)
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
    yield port, folder / "user", folder / "home"
    server.terminate()
    server.wait()


@pytest.fixture(params=["folder", "ssh"])
def use_remote(request, tmp_path):
    """Gives a project the remote of this kind, as a person would."""
    store = tmp_path / "store"
    if request.param == "folder":
        return lambda project: add_remote(project, store)
    port, key, person = request.getfixturevalue("ssh")

    def use(project):
        project.env = {**project.env, "HOME": str(person)}
        add_remote(project, f"ssh://{getpass.getuser()}@127.0.0.1:{port}{store}")
        project.dvc("remote", "modify", "--local", "store", "keyfile", key)

    return use


def add_remote(project, where):
    (project.root / ".dvc/config.local").unlink(missing_ok=True)
    project.dvc("remote", "add", "--local", "--default", "store", where)


def compute_fingerprint_of_files(root):
    manifest = DatasetManifest.model_validate_json((root / "data/dataset.json").read_bytes())
    folder = root / "data/dataset"
    records = [
        image.model_copy(
            update={
                "sha256": file_sha256(folder / image.path),
                "labels_sha256": file_sha256(folder / label_path(image.path)),
            }
        )
        for image in manifest.images
    ]
    on_disk = {path.relative_to(folder).as_posix() for path in (folder / "images").rglob("*.*")}
    assert on_disk == {image.path for image in manifest.images}
    return compute_fingerprint(records, manifest.classes)


def list_cache(project):
    return [path for path in (project.root / ".dvc/cache/files").rglob("*") if path.is_file()]


def test_a_version_comes_back_by_its_tag(home, use_remote, tmp_path):
    sharing = home.at(home.root)
    use_remote(sharing)
    sharing.dvc("push", "--all-tags", "--all-commits")
    home.git("clone", "-q", str(home.root), str(tmp_path / "elsewhere"))
    elsewhere = home.at(tmp_path / "elsewhere")
    use_remote(elsewhere)
    (record,) = home.read_records()

    # what changed since then is told from two files of some kB
    changes = json.loads(elsewhere.steelyard("data", "diff", "v1", "HEAD", "--json").stdout)
    assert [each["path"] for each in changes["removed"]] == ["images/train/images__train__00.png"]
    assert not changes["added"]
    assert list_cache(elsewhere) == []

    elsewhere.git("checkout", "-q", record.tag())
    elsewhere.dvc("pull")
    assert compute_fingerprint_of_files(elsewhere.root) == record.dataset.fingerprint
    outs = read_yaml(elsewhere.root / "dvc.lock")["stages"]["fetch"]["outs"]
    assert {"path": "data/dataset", "md5": record.dataset.dvc_md5}.items() <= outs[0].items()
    assert file_sha256(elsewhere.root / "weights/best.pt") == record.weights.file_sha256
    assert elsewhere.git("status", "--porcelain") == ""
    assert (elsewhere.root / "data/raw/shapes/images/train/00.png").is_file()

    # DVC's hash of the folder is over its list of files, and each of those is what its name says
    listed = elsewhere.root / ".dvc/cache/files/md5" / record.dataset.dvc_md5[:2] / record.dataset.dvc_md5[2:]
    assert hashlib.md5(listed.read_bytes()).hexdigest() + ".dir" == record.dataset.dvc_md5  # noqa: S324 - DVC's


def test_another_state_has_another_fingerprint(home):
    (record,) = home.read_records()
    assert compute_fingerprint_of_files(home.root) != record.dataset.fingerprint


def test_what_is_neither_here_nor_in_the_remote_is_named(home, use_remote, tmp_path):
    home.git("clone", "-q", str(home.root), str(tmp_path / "elsewhere"))
    elsewhere = home.at(tmp_path / "elsewhere")
    use_remote(elsewhere)
    done = elsewhere.steelyard("data", "diff", "v1", "HEAD", check=False)
    assert done.returncode == 1
    says = "error: data/dataset.json of v1: neither in DVC's cache nor in its remote; dvc push --all-tags it"
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1
