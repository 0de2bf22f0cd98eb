"""Makes the text template and the HTML template of a mail from one source that a translator can read.

    Subject: what the mail is about
    # Heading                    ## Smaller heading
    - Name: value                lines of facts
        command                  four spaces: a line to type
    {% if … %}                   Jinja2's tags on lines of their own
    Any other lines              a paragraph, ended by an empty line

Only the source is read as markup; what is filled in later never is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby

_EXPRESSION = re.compile(r"(\{\{.*?\}\})")


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of the three templates: subject and text are plain, `html` is the inside of a page's body."""

    subject: str
    text: str
    html: str


def read(source: str) -> Sources:
    """Reads one mail's source. Raises `ValueError` where it does not begin with its subject."""
    first, _, body = source.partition("\n")
    if not first.startswith("Subject: "):
        raise ValueError("The first line of a mail's source is `Subject: ` and what the mail is about.")
    lines = body.strip("\n").split("\n")
    html = "\n".join(_block(kind, list(block)) for kind, block in groupby(lines, _kind))
    return Sources(first.removeprefix("Subject: "), "\n".join(map(_plain, lines)) + "\n", html)


def _kind(line: str) -> str:
    starts = (("{%", "tag"), ("# ", "h1"), ("## ", "h2"), ("- ", "facts"), ("    ", "command"))
    return next((kind for start, kind in starts if line.startswith(start)), "prose" if line else "gap")


def _plain(line: str) -> str:
    return line.lstrip("#").lstrip() if _kind(line) in ("h1", "h2") else line


def _block(kind: str, lines: list[str]) -> str:
    match kind:
        case "tag":
            return "\n".join(lines)
        case "gap":
            return ""
        case "h1" | "h2":
            return "\n".join(f"<{kind}>{_escaped(_plain(line))}</{kind}>" for line in lines)
        case "facts":
            return f"<dl>\n{_facts(lines)}\n</dl>"
        case "command":
            return f"<pre><code>{_escaped_lines(line[4:] for line in lines)}</code></pre>"
        case _:
            return f"<p>{_escaped_lines(lines)}</p>"


def _facts(lines: list[str]) -> str:
    pairs = (line.removeprefix("- ").partition(": ") for line in lines)
    return "\n".join(f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>" for name, _, value in pairs)


def _escaped_lines(lines: Iterable[str]) -> str:
    return "\n".join(map(_escaped, lines))


def _escaped(line: str) -> str:
    """The words for HTML; Jinja2's own expressions stay, and are escaped by it."""
    return "".join(part if part.startswith("{{") else escape(part, quote=False) for part in _EXPRESSION.split(line))
