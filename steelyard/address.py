"""Addresses as they may be shown: without the name and password that some carry."""

import re


def show_address(address: str) -> str:
    """The address without what stands between ``//`` and ``@``; logs and pages are read by others.

    >>> show_address("postgresql://me:secret@host/store")
    'postgresql://host/store'
    """
    # Up to the last @ before the path: a password may hold one. No urllib: it refuses some addresses.
    return re.sub(r"^([^:/]+://)[^/?#]*@", r"\1", address)


def hide_secrets(text: str) -> str:
    """A text of others, such as a library's error, in one line: its addresses without password, query and fragment.

    >>> hide_secrets("cannot reach 'https://me:secret@host/export?token=secret'")
    "cannot reach 'https://host/export?...'"
    """
    text = " ".join(text.split())
    # A password may hold blanks and quotes. So what could be one is taken for one, even if a host goes with it.
    text = re.sub(r"://[^\s/?#:]*:[^\s/?#][^/?#]*@", "://", text)
    text = re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+", lambda found: show_address(found[0]), text)
    return re.sub(r"(://[^\s'\"<>?#]+[?#])[^\s'\"<>]+", r"\1...", text)
