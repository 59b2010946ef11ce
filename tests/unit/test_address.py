"""No password is shown."""

import pytest

from steelyard.address import show_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:secret@host:5000/api", "http://host:5000/api"),
        ("postgresql+psycopg2://me:sec@ret@host/store", "postgresql+psycopg2://host/store"),
        ("https://token@host", "https://host"),
        ("mysql://me:[secret@host/store", "mysql://host/store"),  # not an address for urllib
        ("http://host/runs/a@b?c@d", "http://host/runs/a@b?c@d"),
        ("sqlite:////tmp/a@b/mlflow.db", "sqlite:////tmp/a@b/mlflow.db"),
        ("/home/a@b/mlruns", "/home/a@b/mlruns"),
    ],
)
def test_an_address_is_shown_without_its_password(address, shown):
    assert show_address(address) == shown
