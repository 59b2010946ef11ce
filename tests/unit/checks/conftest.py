import shutil

import pytest

from tests.unit.checks.clean import write_clean


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """A folder with the clean data set in each format; not to be written to."""
    folder = tmp_path_factory.mktemp("clean")
    write_clean(folder, folder / "pictures")
    return folder


@pytest.fixture
def copy_clean(clean, tmp_path):
    """Copies it in one format, for changes."""

    def copy(format):
        return shutil.copytree(clean / format, tmp_path / format)

    return copy
