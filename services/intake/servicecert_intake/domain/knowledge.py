"""What is known beside a case: registers, accounts, key records, loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from servicecert_schemas.account import AccountEvent
from servicecert_schemas.event import Change
from servicecert_schemas.membership import MOST_ACCOUNTS, NO_ACCOUNTS, Accounts, accounts_after

from .account_limits import Limits, Load
from .registers.snapshot import MOST_ENTRIES, NO_REGISTERS, Registers
from .registers.snapshot import apply as apply_entries
from .rules.application import KeyRecord


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Snapshot of registers and accounts, and what a turn reads from the tables.

    `keys` are the records, by SHA-256, of the keys in the turn's requests (A4). `loads` are those of accounts, by event
    of the turn, and `limits` what they may be (F5).
    """

    registers: Registers = NO_REGISTERS
    accounts: Accounts = field(default_factory=lambda: NO_ACCOUNTS)
    keys: Mapping[str, KeyRecord] = field(default_factory=lambda: MappingProxyType({}))
    loads: Mapping[UUID, Load] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)


NOTHING_KNOWN = Knowledge()


def apply(
    known: Knowledge,
    changes: Sequence[Change],
    most_entries: int = MOST_ENTRIES,
    most_accounts: int = MOST_ACCOUNTS,
) -> Knowledge:
    """Return the snapshot after changes. Unchanged parts stay the same objects."""
    account_changes = [change for change in changes if isinstance(change.data, AccountEvent)]
    register_changes = [(change.key, change.data) for change in changes if not isinstance(change.data, AccountEvent)]
    return Knowledge(
        apply_entries(known.registers, register_changes, most_entries) if register_changes else known.registers,
        accounts_after(known.accounts, account_changes, most_accounts) if account_changes else known.accounts,
    )
