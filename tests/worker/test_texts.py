"""A translator edits data, and gets one sentence that names the wrong text and its language."""

import sys

import pytest
from servicecert_schemas.values import Language, Texts
from servicecert_worker.core.texts import InvalidTexts, read_texts

GOOD = '[answers]\nlate = "{days} %s"\n"not-yet" = "%s"\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with good texts in three languages."""
    folder = tmp_path / "worded" / "texts"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for language in Language:
        (folder / f"{language}.toml").write_text(GOOD % (language, language))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("worded", None)


def test_each_key_has_its_text_in_three_languages(package):
    assert read_texts("worded", "answers", ("not-yet", "late")) == {
        "not-yet": Texts(sv="sv", fi="fi", en="en"),
        "late": Texts(sv="{days} sv", fi="{days} fi", en="{days} en"),
    }


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('late = "{days} fi"\n', "", "texts/fi.toml: [answers] 'late' is missing: add a text."),
        ('"{days} fi"', '" "', "texts/fi.toml: [answers] 'late' is missing: add a text."),
        ("late", "lat", "texts/fi.toml: [answers] 'lat' is not used: delete it, or correct its key."),
        (
            "days",
            "day",
            "texts/fi.toml: [answers] 'late' has the placeholders ['day'], but ['days'] in English: use the same.",
        ),
        (
            "{days} fi",
            "{days fi",
            "texts/fi.toml: [answers] 'late' has the placeholders ['{days fi'], but ['days'] in English",
        ),
        ("[answers]", "[answers", "texts/fi.toml of worded cannot be read, correct it: "),
    ],
)
def test_a_wrong_text_is_named_with_its_language_and_key(package, before, after, sentence):
    finnish = package / "fi.toml"
    finnish.write_text(finnish.read_text().replace(before, after))
    with pytest.raises(InvalidTexts) as caught:
        read_texts("worded", "answers", ("late", "not-yet"))
    assert str(caught.value).startswith(sentence)
