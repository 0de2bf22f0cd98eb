"""The page around every mail: what is written can be read against what is behind it, by day and in the dark."""

import re
from importlib.resources import files

import pytest

STYLE = (files("servicecert_notifier") / "mails" / "page.html.j2").read_text("utf-8")
DAY, DARK = STYLE.split("@media (prefers-color-scheme: dark)")


def light_of(colour: str) -> float:
    """The relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [DAY, DARK], ids=["day", "dark"])
def test_C4_words_stand_out_from_every_background(scheme):
    words = re.findall(r"[ {]color: #([0-9a-f]{3,6});", scheme)
    backgrounds = re.findall(r"background: #([0-9a-f]{3,6});", scheme)
    assert len(words) == 1
    assert len(backgrounds) == 2
    for background in backgrounds:
        dark, bright = sorted((light_of(words[0]), light_of(background)))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5
