"""The stored corpus of the fuzzer: no input makes a parser raise, hang or need much memory."""

from base64 import b64decode
from pathlib import Path

import pytest

from fuzz.targets import CORPUS, MOST_BYTES, TARGETS, TooLarge, TooSlow, run


@pytest.mark.parametrize("name", TARGETS)
def test_I6_nothing_that_was_found_crashes_hangs_or_takes_much(name):
    target = TARGETS[name]
    kept = [b64decode(line) for line in (CORPUS / f"{name}.b64").read_text().splitlines()]
    assert kept
    for data in (*kept, *target.seeds()):
        run(target.read, data)


def test_each_kept_corpus_has_its_target():
    assert {path.stem for path in Path(CORPUS).glob("*.b64")} == set(TARGETS)


def test_what_hangs_or_takes_much_would_be_found(monkeypatch):
    monkeypatch.setattr("fuzz.targets.MOST_SECONDS", 0.0)
    with pytest.raises(TooSlow):
        run(lambda data: sum(data), b"1" * 1000)
    monkeypatch.setattr("fuzz.targets.MOST_SECONDS", 1000.0)
    # Also if more memory was used before.
    assert len(b"1" * len(bytes(4 * MOST_BYTES)))
    with pytest.raises(TooLarge):
        run(lambda data: data * (2 * MOST_BYTES), b"2")
    run(lambda data: data * (MOST_BYTES // 2), b"2")
