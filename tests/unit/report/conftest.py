import pytest

from tests.unit.report.samples import make_sample


@pytest.fixture(scope="session")
def better(tmp_path_factory):
    """A version that is promoted."""
    return make_sample(tmp_path_factory.mktemp("better"))


@pytest.fixture(scope="session")
def worse(tmp_path_factory):
    """A version that is not, on few images."""
    return make_sample(tmp_path_factory.mktemp("worse"), images=25, skills=(0.6, 0.8))
