"""Foreseeable faults, each one sentence on standard error and an exit code of sysexits.h."""

from __future__ import annotations

import os


class Told(Exception):
    """A fault in one sentence that says what is wrong and the way out."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def told(error: BaseException) -> Told | None:
    """What to tell of an error that was to be foreseen, None of any other."""
    from servicecert_pki.authority import AuthorityExists, AuthorityMissing, AuthorityRefused
    from servicecert_pki.keys import KeyUnavailable
    from servicecert_pki.profiles import ProfileUnsafe
    from servicecert_revoker.crl.effects.files import FolderUnusable
    from servicecert_worker.faults import OperatorError

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case Told():
            return error
        case OperatorError():
            return Told(str(error), error.exit_code)
        case AuthorityExists() | FolderUnusable():
            return Told(str(error), os.EX_CANTCREAT)
        case AuthorityMissing() | ProfileUnsafe():
            return Told(str(error), os.EX_CONFIG)
        case AuthorityRefused():
            return Told(str(error), os.EX_DATAERR)
        case KeyUnavailable():
            return Told(str(error), os.EX_NOPERM)
    return None
