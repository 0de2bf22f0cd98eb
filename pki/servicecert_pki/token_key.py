"""CA keys in a PKCS#11 token, which a signing key never leaves.

Each signature uses one of the token's sessions, so any number of threads can sign at once. A removed token is looked
for again, at most every few seconds, and its keys work again once it is back.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
from pkcs11.types import SignMixin
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from .keys import KeyRefused, KeyUnavailable, PublicKey, SigningKey, digest_of
from .pkcs11_module import Pkcs11Module
from .spki import KeyFamily

T = TypeVar("T")

_PIN_FAULTS = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked)

# The DER DigestInfo before a SHA-512 digest (RFC 8017, 9.2): the token pads it and signs.
_SHA512_DIGEST_INFO = bytes.fromhex("3051300d060960864801650304020305000440")

_NEVER_LEAVES = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


@dataclass
class _Session:
    """An open session with the handles of the keys used in it; valid only in its epoch."""

    epoch: int
    session: pkcs11.Session
    handles: dict[str, SignMixin] = field(default_factory=dict)

    def handle(self, label: str) -> SignMixin:
        if label not in self.handles:
            key = self.session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
            if not isinstance(key, SignMixin):
                raise pkcs11.FunctionNotSupported
            self.handles[label] = key
        return self.handles[label]


class Token:
    """A token, identified by its label. `read_pin` returns the user's PIN; it is called at each login, and not stored.

    A rejected PIN is not tried again, because a token locks itself after a few wrong ones; another PIN is tried. The
    token remembers for the next process: while it says that a PIN was wrong and none was right since, only a process
    that `insists` tries one (`servicecert ca login`).
    Sessions are never closed: closing the one that logged in logs all of them out.
    """

    def __init__(
        self,
        module: Pkcs11Module,
        label: str,
        read_pin: Callable[[], bytes],
        retry_after: float = 2.0,
        *,
        insists: bool = False,
    ) -> None:
        self.label = label
        self._module = module
        self._read_pin = read_pin
        self._retry_after = retry_after
        self._insists = insists
        self._retried_at = float("-inf")
        self._idle: deque[_Session] = deque()
        self._rejected_pin: bytes | None = None
        self._accepted_pin: bytes | None = None

    def __repr__(self) -> str:
        return f"<Token {self.label}>"

    def __reduce__(self) -> str:
        raise TypeError("a token cannot be passed to another process")

    def use(self, call: Callable[[_Session], T], *, writing: bool = False) -> T:
        """Return the result of `call` in a session; if the token was removed, reinitialise its library and retry once.

        Raises KeyUnavailable.
        """
        epoch = self._module.epoch
        try:
            return self._once(call, writing)
        except _PIN_FAULTS as fault:
            # Reinitialising would log the library's other tokens out, and not correct the PIN.
            raise self._unavailable(fault) from None
        except pkcs11.PKCS11Error as fault:
            if time.monotonic() - self._retried_at < self._retry_after:
                raise self._unavailable(fault) from None
        self._retried_at = time.monotonic()
        self._module.reinitialise(epoch)
        try:
            result = self._once(call, writing)
        except pkcs11.PKCS11Error as fault:
            raise self._unavailable(fault) from None
        self._retried_at = float("-inf")
        return result

    def login(self) -> None:
        self.use(lambda _: None)

    def _once(self, call: Callable[[_Session], T], writing: bool) -> T:
        with self._module.shared() as epoch:
            session = self._open(epoch, writing) if writing else self._borrow(epoch)
            result = call(session)
            # A session that failed is not used again.
            if not writing:
                self._idle.append(session)
            return result

    def _borrow(self, epoch: int) -> _Session:
        while True:
            try:
                session = self._idle.pop()
            except IndexError:
                return self._open(epoch, writing=False)
            if session.epoch == epoch:
                return session

    def _open(self, epoch: int, writing: bool) -> _Session:
        token = self._module.token(self.label)
        with self._module.login_lock:
            since, accepted = self._module.logins.get(self.label, (0, None))
            if since == epoch and self._accepted_pin == accepted:
                return _Session(epoch, token.open(rw=writing))
            pin = self._read_pin()
            digest = sha256(pin).digest()
            # A token does not look at the PIN of a process that is logged in (PKCS#11 3.1, 5.6.8).
            if digest == self._rejected_pin or (since == epoch and digest != accepted):
                raise pkcs11.PinIncorrect
            if since == epoch:
                self._accepted_pin = digest
                return _Session(epoch, token.open(rw=writing))
            is_untried = digest != accepted and self._rejected_pin is None and not self._insists
            if is_untried and TokenFlag.USER_PIN_COUNT_LOW in token.flags:
                raise KeyRefused(_PIN_WAS_REFUSED.format(label=self.label))
            try:
                text = pin.decode()
            except UnicodeDecodeError:
                raise KeyRefused(f"The PIN of the token {self.label} is no text in UTF-8: correct its file.") from None
            try:
                session = token.open(rw=writing, user_pin=text)
            except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
                self._rejected_pin = digest
                raise
            self._module.logins[self.label], self._accepted_pin = (epoch, digest), digest
            return _Session(epoch, session)

    def _unavailable(self, fault: pkcs11.PKCS11Error) -> KeyUnavailable:
        sentence = _SENTENCES.get(type(fault), _DEFAULT).format(label=self.label, fault=type(fault).__name__)
        return KeyRefused(sentence) if isinstance(fault, _PIN_FAULTS) else KeyUnavailable(sentence)


_PIN_WAS_REFUSED = (
    "The token {label} refused a PIN, and no right one was given since: put the right one into the PIN file, then run "
    "`servicecert ca login`, so that restarts do not lock the token."
)
_DEFAULT = "The token {label} cannot be used ({fault}); once it is back it is used again."
_PIN_REFUSED = (
    "The PIN does not open the token {label}, and is not tried again: put the right one into the PIN file, then run "
    "`servicecert ca login`."
)
_SENTENCES: dict[type[pkcs11.PKCS11Error], str] = {
    pkcs11.PinIncorrect: _PIN_REFUSED,
    pkcs11.PinInvalid: _PIN_REFUSED,
    pkcs11.PinLenRange: _PIN_REFUSED,
    pkcs11.PinLocked: "The PIN of the token {label} is locked: unlock it as its security officer.",
    pkcs11.NoSuchToken: "There is no token {label}: connect it; once it is back it is used again.",
    pkcs11.MultipleTokensReturned: "There are several tokens {label}: give each a label of its own.",
    pkcs11.NoSuchKey: "The token {label} does not hold that key: bring it there, or correct the manifest of the CA.",
    pkcs11.MultipleObjectsReturned: "The token {label} holds several keys of one label: give each its own.",
}


@dataclass(frozen=True, repr=False)
class TokenKey(SigningKey):
    """A signing key in a token; its representation shows no key material."""

    _token: Token
    _label: str
    _public_key: PublicKey

    def public_key(self) -> PublicKey:
        return self._public_key

    def sign(self, *parts: bytes) -> bytes:
        """See `SigningKey.sign`; the digest is computed here, because not every token can."""
        _, digest = digest_of(self.family, parts)
        if self.family is KeyFamily.RSA:
            return self._token.use(
                lambda it: it.handle(self._label).sign(_SHA512_DIGEST_INFO + digest, mechanism=Mechanism.RSA_PKCS)
            )
        numbers = self._token.use(lambda it: it.handle(self._label).sign(digest, mechanism=Mechanism.ECDSA))
        half = len(numbers) // 2
        return encode_dss_signature(int.from_bytes(numbers[:half], "big"), int.from_bytes(numbers[half:], "big"))


def open_token_key(token: Token, label: str) -> TokenKey:
    """Return a key and its public half, found by label; raises KeyUnavailable."""
    token.use(lambda it: it.handle(label))
    return TokenKey(token, label, token.use(lambda it: _public_key(it.session, label)))


def generate_in_token(token: Token, label: str, family: KeyFamily) -> TokenKey:
    """Make a CA's key inside the token, RSA 4096 or EC P-384, not extractable; raises KeyUnavailable.

    A label in use is refused, because the existing key may be a CA's.
    """

    def make(opened: _Session) -> None:
        session = opened.session
        if any(True for _ in session.get_objects({Attribute.LABEL: label})):
            raise KeyUnavailable(
                f"The token {token.label} holds a key {label} already; nothing overwrites it. If no "
                "request or certificate of it exists, a step was interrupted: delete it with the token's own tool."
            )
        private = {**_NEVER_LEAVES, Attribute.SIGN: True}
        if family is KeyFamily.RSA:
            session.generate_keypair(
                KeyType.RSA,
                4096,
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template=private,
            )
            return
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp384r1")}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            label=label, store=True, capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY, private_template=private
        )

    token.use(make, writing=True)
    return open_token_key(token, label)


def _public_key(session: pkcs11.Session, label: str) -> PublicKey:
    handle = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
    assert isinstance(handle, pkcs11.PublicKey)
    if handle.key_type is KeyType.RSA:
        return rsa.RSAPublicNumbers(
            int.from_bytes(handle[Attribute.PUBLIC_EXPONENT], "big"), int.from_bytes(handle[Attribute.MODULUS], "big")
        ).public_key()
    key = load_der_public_key(encode_ec_public_key(handle))
    assert isinstance(key, PublicKey)
    return key
