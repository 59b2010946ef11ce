"""What is known about a check before it has run."""

from typing import NamedTuple

from steelyard.sections import Severity


class Check(NamedTuple):
    """One check.

    Attributes:
        severity: of what it finds.
        title: what was found, after a count: "3 ...".
        means: why it matters.
        do: what to do about it.
    """

    severity: Severity
    title: str
    means: str
    do: str
