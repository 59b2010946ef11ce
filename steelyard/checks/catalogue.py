"""Every check: its id, how bad a finding is, what it means and what to do."""

import difflib
from collections.abc import Sequence

from steelyard.checks.check import Check
from steelyard.checks.error_checks import ERRORS
from steelyard.checks.note_checks import NOTES
from steelyard.checks.warning_checks import WARNINGS
from steelyard.errors import ParamsError

CHECKS: dict[str, Check] = {**ERRORS, **WARNINGS, **NOTES}


def check_accept(accept: Sequence[str], where: str = "params.yaml: check.accept") -> None:
    """See whether all ids that are to be accepted are those of checks.

    Raises:
        ParamsError: one does not exist; the message begins with ``where`` and names near ones.
    """
    unknown = [check for check in accept if check not in CHECKS]
    if unknown:
        raise ParamsError("\n".join(f"{where}: no check has the id {one!r}; {name_near(one)}" for one in unknown))


def name_near(check: str) -> str:
    """The ids that somebody may have meant, or all of them."""
    near = difflib.get_close_matches(check, CHECKS, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(CHECKS))}"
