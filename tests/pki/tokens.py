"""A SoftHSM2 of the test session's own, or the reason why there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servicecert_deploy import SoftHsm, TokenMissing


def soft_hsm(folder: Path) -> Iterator[SoftHsm]:
    """Yield a SoftHSM2 whose tokens are in `folder`, with the environment that this process needs; else skip, and say why."""
    try:
        hsm = SoftHsm.prepare(folder)
    except TokenMissing as missing:
        pytest.skip(str(missing))
    with pytest.MonkeyPatch.context() as environment:
        for name, value in hsm.environment.items():
            environment.setenv(name, value)
        yield hsm
