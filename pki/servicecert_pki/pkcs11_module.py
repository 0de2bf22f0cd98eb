"""A PKCS#11 library in this process: loaded once, with locking, and reinitialised when a token was removed.

A library's state belongs to the whole process (PKCS#11 3.1, 5.4): `C_Finalize` closes every session of every token.
So signatures share the library, and a reinitialisation waits until nothing else uses it.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from pkcs11 import MultipleTokensReturned, NoSuchToken, PKCS11Error, Token
from pkcs11 import lib as load_cryptoki

from .keys import KeyRefused, KeyUnavailable

_CKF_OS_LOCKING_OK = 2


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: four mutex functions that stay null, flags, and a reserved pointer."""

    _fields_ = (("functions", ctypes.c_void_p * 4), ("flags", ctypes.c_ulong), ("reserved", ctypes.c_void_p))


class Pkcs11Module:
    """One library. `epoch` grows with each initialisation; sessions of an earlier epoch are invalid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unusable = f"The PKCS#11 library {path} cannot be initialised: check its configuration and file rights."
        self.epoch = 0
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._users = 0
        self._reinitialising = 0
        # By a token's label: the epoch of its login, which is the process's, and the SHA-256 of the accepted PIN.
        self.logins: dict[str, tuple[int, bytes]] = {}
        self.login_lock = threading.Lock()
        try:
            self._functions = ctypes.CDLL(str(path))
            self.cryptoki = load_cryptoki(str(path))
        except PKCS11Error:
            raise KeyRefused(self._unusable) from None
        except (OSError, AttributeError):
            raise KeyRefused(
                f"The PKCS#11 library {path} cannot be loaded: name the token's library in SERVICECERT_PKCS11_MODULE."
            ) from None
        self._initialise()

    def _initialise(self) -> None:
        """Initialise the library with its own locking.

        python-pkcs11 initialises it without, and releases the GIL when it calls it: two threads that sign would
        corrupt the library's memory.
        """
        self._functions.C_Finalize(None)
        arguments = _InitializeArguments(flags=_CKF_OS_LOCKING_OK)
        if self._functions.C_Initialize(ctypes.byref(arguments)):
            raise KeyUnavailable(self._unusable)
        self.epoch += 1

    def token(self, label: str) -> Token:
        """Return the token of that label. A slot with a fault hides no other's. Raises PKCS11Error."""
        found = []
        for slot in self.cryptoki.get_slots():
            with suppress(PKCS11Error):
                found.append(slot.get_token())
        named = [token for token in found if token.label == label]
        if len(named) != 1:
            raise MultipleTokensReturned if named else NoSuchToken
        return named[0]

    @contextmanager
    def shared(self) -> Iterator[int]:
        """Share the library with other threads; yields the epoch. Raises KeyUnavailable in a forked process."""
        if os.getpid() != self._pid:
            raise KeyUnavailable("The PKCS#11 library was loaded before this process was forked: open the keys in it.")
        with self._condition:
            self._condition.wait_for(lambda: not self._reinitialising)
            self._users += 1
        try:
            yield self.epoch
        finally:
            with self._condition:
                self._users -= 1
                self._condition.notify_all()

    def reinitialise(self, epoch: int) -> None:
        """Initialise the library again, unless another thread has done so since `epoch`. Raises KeyUnavailable."""
        with self._condition:
            # New users wait, so the library becomes idle.
            self._reinitialising += 1
            try:
                self._condition.wait_for(lambda: self._users == 0)
                if self.epoch == epoch:
                    self._initialise()
            finally:
                self._reinitialising -= 1
                self._condition.notify_all()


@cache
def _loaded(path: Path, _pid: int) -> Pkcs11Module:
    return Pkcs11Module(path)


_LOADING = threading.Lock()


def load_module(path: Path) -> Pkcs11Module:
    """Return the library, loaded at most once in a process; raises KeyUnavailable."""
    with _LOADING:
        return _loaded(path.resolve(), os.getpid())
