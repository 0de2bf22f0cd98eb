"""What intake decides with beside a case: the registers and the accounts, as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from servicecert_schemas.account import AccountEvent
from servicecert_worker.decider import Change

from . import accounts as books
from .accounts import NO_ACCOUNTS, Accounts
from .registers import NO_REGISTERS, Registers
from .registers import apply as apply_entries


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of both."""

    registers: Registers = NO_REGISTERS
    accounts: Accounts = NO_ACCOUNTS


NOTHING_KNOWN = Knowledge()


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    """The snapshot after what changed. What did not change stays the same object."""
    of_accounts = [change for change in changes if isinstance(change.data, AccountEvent)]
    of_registers = [(change.key, change.data) for change in changes if not isinstance(change.data, AccountEvent)]
    return Knowledge(
        apply_entries(known.registers, of_registers) if of_registers else known.registers,
        books.apply(known.accounts, of_accounts) if of_accounts else known.accounts,
    )
