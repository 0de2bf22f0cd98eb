"""Makes the text and HTML templates of a mail from one source that a translator can read.

    Subject: what the mail is about
    # Heading                    ## Smaller heading
    - Name: value                lines of facts
    1. What to do                a numbered list; in a loop its number is {{ loop.index }}
        command                  four spaces: a line to type
    {% if … %}                   Jinja2's tags on lines of their own
    Any other lines              a paragraph, up to an empty line; one line of the text, whose length `flowed` bounds

Only the source is markup; values that are filled in later never are.
"""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

_EXPRESSION = re.compile(r"(\{\{.*?\}\})")
_NUMBERED = re.compile(r"(?:\d+|\{\{ loop\.index \}\})\. ")


def read(source: str) -> tuple[str, str, str]:
    """Return the templates of a mail's subject, its text, and the content of its page's body, from its source.

    Raise `ValueError` if it does not begin with its subject.
    """
    first, _, body = source.partition("\n")
    if not first.startswith("Subject: "):
        raise ValueError("The first line of a mail's source must be `Subject: ` and a subject.")
    lines = body.strip("\n").split("\n")
    text = (line for _, block in groupby(lines, lambda line: (_kind(line), line == "")) for line in _text(list(block)))
    html = "\n".join(_run(list(run)) if is_run else "" for is_run, run in groupby(lines, bool))
    return first.removeprefix("Subject: "), "\n".join(text) + "\n", html


def _kind(line: str) -> str:
    starts = (("{%", "tag"), ("# ", "h1"), ("## ", "h2"), ("- ", "facts"), ("    ", "command"))
    return next(
        (kind for start, kind in starts if line.startswith(start)), "steps" if _NUMBERED.match(line) else "prose"
    )


def _plain(line: str) -> str:
    return line.lstrip("#").lstrip() if _kind(line) in ("h1", "h2") else line


def _text(block: list[str]) -> list[str]:
    """Return lines of one kind for the text. A paragraph becomes one line, because values can have any length."""
    return [" ".join(block)] if block[0] and _kind(block[0]) == "prose" else list(map(_plain, block))


def _run(lines: Sequence[str]) -> str:
    """Return the HTML of consecutive lines. Tags may stand inside a list; those around the whole list stay outside."""
    listed = {_kind(line) for line in lines} - {"tag"}
    if listed not in ({"facts"}, {"steps"}):
        return "\n".join(_block(kind, list(block)) for kind, block in groupby(lines, _kind))
    if lines[0].startswith("{% if") and lines[-1] == "{% endif %}":
        return "\n".join((lines[0], _run(lines[1:-1]), lines[-1]))
    element = "dl" if listed == {"facts"} else "ol"
    return "\n".join((f"<{element}>", *map(_entry, lines), f"</{element}>"))


def _block(kind: str, lines: list[str]) -> str:
    match kind:
        case "tag":
            return "\n".join(lines)
        case "h1" | "h2":
            return "\n".join(f"<{kind}>{_escaped(_plain(line))}</{kind}>" for line in lines)
        case "facts" | "steps":
            return _run(lines)
        case "command":
            return "<pre><code>" + _escaped("\n".join(line[4:] for line in lines)) + "</code></pre>"
        case _:
            return "<p>" + _escaped("\n".join(lines)) + "</p>"


def _entry(line: str) -> str:
    match _kind(line):
        case "facts":
            name, _, value = line.removeprefix("- ").partition(": ")
            return f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>"
        case "steps":
            return f"<li>{_escaped(_NUMBERED.sub('', line, count=1))}</li>"
        case _:
            return line


def _escaped(text: str) -> str:
    """Return text escaped for HTML. Jinja2's expressions stay; Jinja2 escapes their values."""
    return "".join(part if part.startswith("{{") else escape(part, quote=False) for part in _EXPRESSION.split(text))
