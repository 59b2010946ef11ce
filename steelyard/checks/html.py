"""Writes a page: one file, nothing else is loaded, nothing in it runs."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from steelyard.checks.figures import COLORS

_PACKAGE = "steelyard.checks"


def write_html(out: Path, template: str, *, package: str = _PACKAGE, **values: Any) -> None:
    """Render a template, whole or not at all.

    Args:
        out: the file to make, or to replace; its folder is made where it is missing.
        template: its file name.
        package: that holds it; it may use the templates of this one.
        values: for the template. Texts are escaped, unprintable letters in them are shown as codes.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(_PACKAGE), PackageLoader(package)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: show(value) if type(value) is str else value,  # not of Markup, which a macro gives
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["colors"] = COLORS
    environment.filters |= {"shorten": shorten, "keep_end": keep_end}
    text = environment.get_template(template).render(values)
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f".{out.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(out)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def show(text: str) -> str:
    r"""Unprintable letters as their codes, such as ``\n``.

    A line break, a letter that turns the direction of writing or a byte of a file name that is not UTF-8 would show
    another name than there is, or could not be written at all.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def shorten(text: str, most: int) -> str:
    """Leave out the middle of a text of more than ``most`` letters."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-(most // 3) :]}"


def keep_end(text: str, most: int) -> str:
    """The end of a file name of more than ``most`` letters, where names of one data set differ."""
    return text if len(text) <= most else f"…{text[1 - most :]}"
