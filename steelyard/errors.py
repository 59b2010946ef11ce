"""Every error that a user can cause or mend, as one tree.

    SteelyardError
    ├── ParamsError      params.yaml or an override of it
    ├── SourceError      an address, a download, an archive
    ├── DatasetError     pictures, labels, splits
    ├── WeightsError     checkpoints and what is in them
    ├── RegistryError    MLflow, the ledger of versions
    └── WorkspaceError   git, DVC, clones, locks

A message says where, what was found, what is allowed and what to do:
``params.yaml: finetune.imgsz = 100: 100 is not a multiple of 32 (...)``.
The command line prints it without a traceback and exits with 1.
"""


class SteelyardError(Exception):
    """Anything that the user can mend; the message says how."""


class ParamsError(SteelyardError):
    """params.yaml, or an override of it, does not hold what it must."""


class SourceError(SteelyardError):
    """A source could not be read, or is not what its sha256 promises."""


class DatasetError(SteelyardError):
    """Pictures, labels or splits are not usable as they are."""


class WeightsError(SteelyardError):
    """A weights file cannot be trusted, read or used here."""


class RegistryError(SteelyardError):
    """The record (MLflow or the ledger) cannot be read or written."""


class WorkspaceError(SteelyardError):
    """The git or DVC repository is not in a state to run from."""
