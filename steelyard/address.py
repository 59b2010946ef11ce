"""Addresses as they may be shown: without the name and password that some carry."""

import re


def show_address(address: str) -> str:
    """The address without what stands between ``//`` and ``@``; logs and pages are read by others.

    >>> show_address("postgresql://me:secret@host/store")
    'postgresql://host/store'
    """
    # Up to the last @ before the path: a password may hold one. No urllib: it refuses some addresses.
    return re.sub(r"^([^:/]+://)[^/?#]*@", r"\1", address)
