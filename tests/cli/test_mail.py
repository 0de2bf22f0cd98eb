"""`servicecert mail preview`: every mail, to be looked at."""

from email import message_from_bytes, policy
from html import unescape

from commandline import one_sentence
from servicecert_schemas.values import Language


def test_every_mail_is_shown_in_every_language(servicecert, tmp_path):
    ended = servicecert("mail", "preview", "--folder", tmp_path / "new")
    assert (ended.exit_code, ended.stderr) == (0, "")
    page = (tmp_path / "new" / "index.html").read_text("utf-8")
    kinds = {path.stem for path in (tmp_path / "new" / "sv").glob("*.html")}
    assert f"{len(kinds) * len(Language)} mails" in ended.stdout
    for language in Language:
        for kind in kinds:
            folder = tmp_path / "new" / language
            assert f'src="{language}/{kind}.html"' in page
            mail = message_from_bytes((folder / f"{kind}.eml").read_bytes(), policy=policy.default)
            assert mail["Subject"] in unescape(page)
            assert mail.get_body(("plain",)).get_content().split() == (folder / f"{kind}.txt").read_text().split()
            assert all(file.get_filename() in page for file in mail.iter_attachments())


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(servicecert, tmp_path):
    (tmp_path / "file").touch()
    ended = servicecert("mail", "preview", "--folder", tmp_path / "file" / "below")
    assert ended.exit_code == 73
    assert "choose another --folder" in one_sentence(ended.stderr)
