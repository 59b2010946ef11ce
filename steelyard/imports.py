"""The data under ``data/raw`` of a clean clone: as its commit says, or imports brought up to date."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.address import hide_secrets
from steelyard.errors import WorkspaceError
from steelyard.git import git
from steelyard.params import load_params, parse_yaml, read_yaml
from steelyard.paths import PARAMS

if TYPE_CHECKING:
    from dvc.repo import Repo

Say = Callable[[str], None]
RAW = Path("data/raw")
STATE = {"md5", "size", "nfiles"}  # what an update changes in a .dvc file


def bring_data(clone: Path, update: bool, say: Say) -> None:
    """Bring what DVC tracks under ``data/raw``.

    Args:
        clone: a clean clone; its ``.dvc`` files hold the new state after an update.
        update: whether imports are brought up to date first. What is new is told against the newest version,
            whose state may not have been adopted by the branch.
        say: receives a line for each import that was brought up to date.

    Raises:
        WorkspaceError: data is neither in the cache nor in the remote; or a source cannot be reached or is empty.
    """
    files = sorted((clone / RAW).rglob("*.dvc"))
    imports = [file for file in files if update and is_import(read_yaml(file))]
    if update and not imports:
        say(f"data: no import in {RAW} to bring up to date (dvc import-url)")
    if not files:
        return
    from dvc.repo import Repo  # heavy: 0.5 s

    # It says where it imports from, with the password in it.
    logging.getLogger("dvc.stage.imports").setLevel(logging.WARNING)
    with Repo(str(clone)) as repo:
        for file in files:
            if file in imports:
                _update(repo, clone, file, say)
            else:
                _bring(repo, file.relative_to(clone).as_posix())


def is_import(tracked: Mapping[str, Any]) -> bool:
    """Whether a ``.dvc`` file's data comes from elsewhere, rather than by ``dvc add``."""
    return bool(tracked.get("deps"))


def describe_size(tracked: Mapping[str, Any]) -> str:
    """``14 files``, or ``2,048 bytes`` of a single one."""
    out = tracked["outs"][0]
    if "nfiles" in out:
        return f"{out['nfiles']:,} file{'' if out['nfiles'] == 1 else 's'}"
    return f"{out['size']:,} bytes" if "size" in out else "of unknown size"


def _bring(repo: "Repo", name: str) -> None:
    from dvc.exceptions import CheckoutError, DvcException

    target = str(Path(repo.root_dir) / name)
    try:
        repo.pull([target]) if repo.config["core"].get("remote") else repo.checkout([target])
    except DvcException as error:
        # which names nothing but the file's path in the clone
        reason = "" if isinstance(error, CheckoutError) else f" ({hide_secrets(str(error))})"
        update = (
            "" if not is_import(read_yaml(Path(target))) else "; or bring it up to date: steelyard run --update-data"
        )
        raise WorkspaceError(
            f"{name}: its data is neither in DVC's cache nor in its remote{reason}; "
            f"dvc push it from where it was added{update}"
        ) from error


def _update(repo: "Repo", clone: Path, file: Path, say: Say) -> None:
    name = file.relative_to(clone).as_posix()
    since = "the commit"
    if newest := _find_newest(clone, file, name):
        # Where the branch has not adopted it, nothing is downloaded that this version has already.
        since, text = newest
        file.write_text(text, encoding="utf-8")
    before = read_yaml(file)
    try:
        repo.update([str(file)])
    except Exception as error:  # each kind of source has a library with errors of its own
        raise WorkspaceError(
            f"{name}: cannot be brought up to date ({hide_secrets(str(error)) or type(error).__name__}); see whether "
            "the address in it can be reached, or run without update_data (--update-data) on the data as it was"
        ) from error
    after = read_yaml(file)
    data = name.removesuffix(".dvc")
    if not after["outs"][0].get("nfiles", 1) or not after["outs"][0].get("size", 1):
        raise WorkspaceError(
            f"{name}: its source {_show_source(after)} is empty now and was {describe_size(before)}; an unmounted "
            "drive looks like that. Nothing was changed here: mount it and run again; or, if the pictures were removed "
            "on purpose, name another source"
        )
    if before["outs"][0].get("md5") == after["outs"][0].get("md5"):
        say(f"data: nothing new in {data} ({describe_size(after)}, as in {since})")
    else:
        details = _compare(repo, before, after)
        say(f"{data}: {describe_size(before).split()[0]} -> {describe_size(after)} since {since}{details}")


def _find_newest(clone: Path, file: Path, name: str) -> tuple[str, str] | None:
    """Tag and text of the newest version's state of an import, where that was from the same source."""
    from steelyard.record.ledger import read_versions

    here = _without_state(read_yaml(file))
    for record in reversed(read_versions(clone, load_params(clone / PARAMS).registration.name)):
        if not git(clone, "ls-tree", record.commit, "--", name):
            continue
        text = git(clone, "show", f"{record.commit}:./{name}") + "\n"
        if _without_state(parse_yaml(text, name)) == here:
            return record.tag(), text
    return None


def _without_state(tracked: Mapping[str, Any]) -> dict[str, Any]:
    strip = {key: value for key, value in tracked.items() if key not in STATE}
    return strip | {
        part: [{key: value for key, value in each.items() if key not in STATE} for each in tracked.get(part, [])]
        for part in ("deps", "outs")
    }


def _compare(repo: "Repo", before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`` (2 added, 1 removed)``; empty for a single file, or where the cache has lost the older list."""
    lists = [_list_files(repo, tracked["outs"][0].get("md5", "")) for tracked in (before, after)]
    if None in lists:
        return ""
    old, new = (dict(each or {}) for each in lists)
    counts = {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": sum(old[name] != new[name] for name in old.keys() & new.keys()),
    }
    return f" ({', '.join(f'{count:,} {verb}' for verb, count in counts.items() if count)})"


def _list_files(repo: "Repo", md5: str) -> dict[str, str] | None:
    listed = Path(repo.cache.local.oid_to_path(md5)) if md5.endswith(".dir") else None
    if listed is None or not listed.is_file():
        return None
    return {each["relpath"]: each["md5"] for each in json.loads(listed.read_text(encoding="utf-8"))}


def _show_source(tracked: Mapping[str, Any]) -> str:
    source = tracked["deps"][0]
    return hide_secrets(str(source.get("path") or source.get("repo", {}).get("url", "")))
