"""No password is shown."""

import pytest

from steelyard.address import hide_secrets, show_address


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach 'https://me:secret@host/a?token=secret'", "cannot reach 'https://host/a?...'"),
        ("https://host/export#tok=secret refused", "https://host/export#... refused"),
        ("https://host/export?a=b#tok=secret refused", "https://host/export?... refused"),
        ("ssh://me:sec ret@host/data: refused", "ssh://host/data: refused"),
        ("ssh://me:p@ss sec\nret@host: refused", "ssh://host: refused"),
        ("'ssh://me:sec'ret@host/data' refused", "'ssh://host/data' refused"),
        ("from ssh://a:secret@b to ssh://c:sec ret@d/e", "from ssh://b to ssh://d/e"),
        ("https://token@host/a refused", "https://host/a refused"),
        # nothing to hide
        ("https://host: refused, ask me@b", "https://host: refused, ask me@b"),
        ("https://host:80/a: refused, ask me@b", "https://host:80/a: refused, ask me@b"),
    ],
)
def test_a_text_is_shown_without_secrets(text, shown):
    assert hide_secrets(text) == shown
