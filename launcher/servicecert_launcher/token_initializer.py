"""Makes an empty token in SoftHSM2, as a separate process: the library's state belongs to the whole process.

    python -I -S token_initializer.py LIBRARY LABEL

Standard input has the security officer's PIN on its first line and the user's on its second. SoftHSM2 adds a free
slot for each new token, and the last slot is the free one. Imports the standard library only.
"""

import ctypes
import sys

SECURITY_OFFICER = 0
SERIAL_AND_READ_WRITE = 4 | 2


class CryptokiError(Exception):
    """A function of the library failed."""


def call(cryptoki: ctypes.CDLL, name: str, *arguments: object) -> None:
    """Call one function of the library. Raises CryptokiError unless it returns CKR_OK."""
    if result := getattr(cryptoki, name)(*arguments):
        raise CryptokiError(f"{name} returned {result:#x}")


def main(library: str, label: str, officer_pin: bytes, pin: bytes) -> None:
    """Initialise the token and its user's PIN. Raises CryptokiError."""
    cryptoki = ctypes.CDLL(library)
    count, session = ctypes.c_ulong(), ctypes.c_ulong()
    call(cryptoki, "C_Initialize", None)
    call(cryptoki, "C_GetSlotList", ctypes.c_ubyte(0), None, ctypes.byref(count))
    slots = (ctypes.c_ulong * count.value)()
    call(cryptoki, "C_GetSlotList", ctypes.c_ubyte(0), slots, ctypes.byref(count))
    slot, officer = ctypes.c_ulong(slots[-1]), (officer_pin, ctypes.c_ulong(len(officer_pin)))
    call(cryptoki, "C_InitToken", slot, *officer, label.encode().ljust(32))
    flags = ctypes.c_ulong(SERIAL_AND_READ_WRITE)
    call(cryptoki, "C_OpenSession", slot, flags, None, None, ctypes.byref(session))
    call(cryptoki, "C_Login", session, ctypes.c_ulong(SECURITY_OFFICER), *officer)
    call(cryptoki, "C_InitPIN", session, pin, ctypes.c_ulong(len(pin)))
    call(cryptoki, "C_Finalize", None)


if __name__ == "__main__":
    first, second = sys.stdin.buffer.read().splitlines()
    try:
        main(sys.argv[1], sys.argv[2], first, second)
    except CryptokiError as error:
        sys.exit(str(error))
