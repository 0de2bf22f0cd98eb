"""A SoftHSM2 for the test session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servicecert_launcher import SoftHsm, TokenMissing


def soft_hsm(folder: Path) -> Iterator[SoftHsm]:
    """Yield a SoftHSM2 with its tokens in `folder`, and set its environment; skip the test if there is none."""
    try:
        hsm = SoftHsm.prepare(folder)
    except TokenMissing as missing:
        pytest.skip(str(missing))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in hsm.environment.items():
            environment.setenv(name, value)
        yield hsm
