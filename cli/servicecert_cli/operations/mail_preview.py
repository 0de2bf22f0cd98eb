"""A page of all mails in all languages, for authors and translators of mails."""

from html import escape
from pathlib import Path

from servicecert_notifier.domain.task import Letterhead, MailTask
from servicecert_notifier.mail.domain.letters import write
from servicecert_notifier.mail.domain.message import Letter, Sender, compose, flowed
from servicecert_notifier.operator.samples import samples
from servicecert_pki.identity import FICTITIOUS, FICTITIOUS_FILE, required
from servicecert_schemas.values import Language

_MAIL = required(FICTITIOUS.mail, "mail", FICTITIOUS_FILE)
_LINKS = {"html": "page", "txt": "text", "eml": "mail"}
_NAMES = {Language.SWEDISH: "Svenska", Language.FINNISH: "Suomi", Language.ENGLISH: "English"}
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>All mails of the certificate service</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 72em; font: 16px/1.5 sans-serif; overflow-wrap: anywhere; }
section { border-top: 1px solid; padding: 8px 0 24px; }
.widths { display: flex; flex-wrap: wrap; gap: 16px; }
iframe { box-sizing: border-box; flex: 1 1 32em; min-width: 0; max-width: 100%; height: 36em; border: 1px solid; }
iframe.phone { flex: 0 1 320px; }
summary { padding: 8px 0; }
pre { overflow-x: auto; padding: 8px; border: 1px solid; }
</style>
</head>
<body>
<h1>All mails of the certificate service</h1>
<p>Sample data. Each mail is shown as a page, as the same page on a phone, and as plain text.</p>
"""


def write_preview(folder: Path) -> int:
    """Write `index.html`, and of each mail its page, text and whole (`.eml`). Return their number. Raises `OSError`."""
    parts = [_HEAD, "<ul>\n", *(f'<li><a href="#{each}">{_NAMES[each]}</a></li>\n' for each in Language), "</ul>\n"]
    count = 0
    for language in Language:
        (folder / language).mkdir(parents=True, exist_ok=True)
        parts.append(f'<h2 id="{language}">{_NAMES[language]}</h2>\n')
        for name, task in samples(language):
            parts.append(_write(folder, name, task))
            count += 1
    (folder / "index.html").write_text("".join([*parts, "</body>\n</html>\n"]), "utf-8")
    return count


def _write(folder: Path, name: str, task: MailTask) -> str:
    head = Letterhead(sender=_MAIL.sender, name=FICTITIOUS.called(task.language), contact=_MAIL.contact)
    letter, sender = write(task, head), Sender.of(head.sender, head.name)
    stem = f"{task.language}/{name}"
    (folder / f"{stem}.html").write_text(letter.html, "utf-8")
    (folder / f"{stem}.txt").write_text(flowed(letter.text), "utf-8")
    mail = compose(letter, sender, task.recipient, task.mail_id, task.date, task.language)
    (folder / f"{stem}.eml").write_bytes(mail)
    return _section(stem, name, task, letter)


def _section(stem: str, name: str, task: MailTask, letter: Letter) -> str:
    files = "".join(f"<li>{escape(each.name)}</li>\n" for each in letter.attachments)
    frame = f'src="{stem}.html" title="{escape(letter.subject)}" loading="lazy" sandbox'
    links = " ".join(f'<a href="{stem}.{end}">{text}</a>' for end, text in _LINKS.items())
    return f"""<section lang="{task.language}">
<h3>{escape(letter.subject)}</h3>
<p lang="en">{name}, to the {task.recipient.role}: {links}</p>
{f"<ul>{files}</ul>" if files else ""}
<div class="widths">
<iframe {frame}></iframe>
<iframe class="phone" {frame}></iframe>
</div>
<details><summary lang="en">The text</summary><pre>{escape(flowed(letter.text))}</pre></details>
</section>
"""
