"""Expected errors: one sentence on standard error, and an exit code of sysexits.h."""

import click


class UserError(Exception):
    """An error in one sentence: what is wrong, and what to do."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def user_error(error: BaseException) -> UserError | None:
    """Return an expected error as a sentence, None for any other."""
    from servicecert_worker.faults import operator_message

    # click prints its own.
    if isinstance(error, click.ClickException | click.exceptions.Exit):
        return None
    sentence = operator_message(error)
    return None if sentence is None else UserError(*sentence)
