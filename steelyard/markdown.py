"""Text for pages that read Markdown."""

import re


def escape_markdown(text: str) -> str:
    """The text as Markdown that shows it letter by letter: names of strangers make no picture, link or table."""
    return re.sub(r"[\\`*_~|<>\[\]()!&]", r"\\\g<0>", text)
