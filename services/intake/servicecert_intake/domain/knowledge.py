"""What intake decides with beside a case: the registers and the accounts as they stand, the profiles, the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from servicecert_pki.profiles import Profiles
from servicecert_schemas.account import AccountEvent
from servicecert_worker.decider import Change
from servicecert_worker.domain.membership import NO_ACCOUNTS, Accounts, accounts_after

from .registers.snapshot import NO_REGISTERS, Registers
from .registers.snapshot import apply as apply_entries
from .rules.application import KeyRecord


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A snapshot of both. `keys` is what is recorded, by their SHA-256, of the keys of the requests that a turn decides on (A4)."""

    registers: Registers = NO_REGISTERS
    accounts: Accounts = NO_ACCOUNTS
    keys: Mapping[str, KeyRecord] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_KNOWN = Knowledge()


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision is made with beside its case: the profiles of certificates, what is known, and when it is."""

    profiles: Profiles
    known: Knowledge
    now: datetime


def apply(known: Knowledge, changes: Sequence[Change]) -> Knowledge:
    """The snapshot after what changed. What did not change stays the same object."""
    of_accounts = [change for change in changes if isinstance(change.data, AccountEvent)]
    of_registers = [(change.key, change.data) for change in changes if not isinstance(change.data, AccountEvent)]
    return Knowledge(
        apply_entries(known.registers, of_registers) if of_registers else known.registers,
        accounts_after(known.accounts, of_accounts) if of_accounts else known.accounts,
    )
