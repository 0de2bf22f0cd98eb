"""Foreseeable faults, each one sentence on standard error and an exit code of sysexits.h."""

import click


class UserError(Exception):
    """A fault in one sentence that says what is wrong and the way out."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def user_error(error: BaseException) -> UserError | None:
    """What to tell of an error that was to be foreseen, None of any other."""
    from servicecert_worker.faults import for_operators

    # click tells its own.
    if isinstance(error, click.ClickException | click.exceptions.Exit):
        return None
    foreseen = for_operators(error)
    return None if foreseen is None else UserError(*foreseen)
