"""The steps that create an authority: roots offline, requests, certificates, and activation dates.

    make_roots(offline)                     offline machine: root keys and certificates
    request_cas(directory, ids)             services' machine: keys of issuing CAs and requests for them
    sign_requests(offline, requests)        offline machine: the issuing CAs' certificates
    make_root_crls(offline)                 offline machine: the roots' CRLs, in `root_crl`
    install(directory, certificates)        services' machine: store each certificate with its key
    activate(directory, id, moment)         set the date from which a later generation issues

`make_authority` runs all steps on one machine, for a demonstration. Each step returns its actions, for the protocol.
All raise AuthorityRefused or a subclass, and KeyUnavailable. Nothing is overwritten.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import TypeAdapter

from . import ceremony_files as files
from .authority import Authority, AuthorityExists, AuthorityMissing, AuthorityRefused
from .ca_certificate import is_trial, issuing_name, make_issuing, make_request, make_root, root_name
from .identity import FILE, identity_in
from .keyring import KeyStore, PemStore, read_passphrases
from .keys import KeyFileMissing, PublicKey
from .manifest import (
    KINDS,
    MANIFEST,
    Entry,
    KeyPlace,
    Manifest,
    PemPlace,
    issuer_id,
    kind_of,
    read_manifest,
    root_id,
    write_manifest,
    write_whole,
)
from .profile import Environment
from .profiles import Profiles
from .root_crl import copy_root_crls, make_root_crls
from .software_key import WEAK, encrypted_pem, generate, is_weak, open_key
from .spki import KeyFamily

Passphrases = Mapping[Environment, bytes]

_PLACE: TypeAdapter[KeyPlace] = TypeAdapter(KeyPlace)


def offline_folder(directory: Path) -> Path:
    """Return the folder in which `make_authority` keeps the roots: next to `directory`, not in it."""
    return directory.with_name(f"{directory.name}.offline")


def make_authority(
    directory: Path, passphrases: Passphrases, profiles: Profiles, now: datetime, store: KeyStore | None = None
) -> list[files.Action]:
    """Make the roots and the first generation of issuing CAs, active at once and marked as a trial's.

    `passphrases` encrypt the roots' keys, and without a `store` the issuing CAs' keys too; `profiles` give the
    policies that an issuing CA may certify; `now` (aware) is the first second of validity. The manifest is written
    last, so an interrupted run can be repeated.
    """
    check_passphrases(passphrases)
    offline, ids = offline_folder(directory), [issuer_id(*kind) for kind in KINDS]
    with files.alone_in(directory):
        if (directory / MANIFEST).exists():
            raise AuthorityExists(f"There is a CA in {directory} already; name another directory for a new one.")
        if (directory / FILE).exists():
            files.write_identity(offline, (directory / FILE).read_text(encoding="utf-8"))
        actions = make_roots(offline, passphrases, now, again=True, trial=True)
        actions += _request(directory, ids, store or PemStore(directory, passphrases, trial=True), again=True)
        requests = [directory / "requests" / f"{id}.csr" for id in ids]
        actions += sign_requests(offline, requests, passphrases, profiles, now, again=True)
        actions += make_root_crls(offline, passphrases, now)
        copy_root_crls(offline, directory)
        return actions + _install(directory, [offline / "issued" / f"{id}.pem" for id in ids], now)


def make_roots(
    offline: Path, passphrases: Passphrases, now: datetime, *, again: bool = False, trial: bool = False
) -> list[files.Action]:
    """Make an RSA 4096 and an EC P-384 root for production and test each, in a folder that is kept offline.

    Existing roots are kept with `again`; otherwise they raise AuthorityExists. With `trial` they and all CAs below them
    are marked as a trial's.
    """
    check_passphrases(passphrases, trial=trial)
    actions = []
    with files.alone_in(offline):
        ids, whose = {root_id(*kind): kind for kind in KINDS}, identity_in(offline)
        existing = [id for id in ids if (offline / "roots" / f"{id}.pem").exists()]
        if existing and not again:
            raise AuthorityExists(f"There are roots in {offline} already; name another folder for new ones.")
        for id, (environment, family) in ids.items():
            if id in existing:
                certificate = files.read_certificate(offline / "roots" / f"{id}.pem")
            else:
                key = generate(family)
                name = root_name(whose, environment, family, trial=trial)
                certificate = make_root(key, name, files.second(now))
                pem = encrypted_pem(key, passphrases[environment], trial=trial)
                write_whole(offline / "keys" / f"{id}.pem", pem, mode=0o600)
                write_whole(offline / "roots" / f"{id}.pem", certificate.public_bytes(Encoding.PEM))
            actions.append(
                files.Action.certified("root", id, certificate, ("key is in", f"{offline}/keys/{id}.pem, encrypted"))
            )
    return actions


def next_ids(directory: Path, kinds: Sequence[tuple[Environment, KeyFamily]]) -> list[str]:
    """Return the names of the next generation of each kind; raises AuthorityDamaged."""
    issuers = Authority.load(directory).issuers if (directory / MANIFEST).exists() else {}
    used = [kind_of(id) for id in issuers]
    return [
        issuer_id(*kind, 1 + max((number for *its, number in used if tuple(its) == kind), default=0)) for kind in kinds
    ]


def request_cas(directory: Path, ids: Sequence[str], store: KeyStore) -> list[files.Action]:
    """Make the keys of issuing CAs in `store`, and a request for each in `requests/`, to carry to the roots."""
    with files.alone_in(directory):
        return _request(directory, ids, store)


def _request(directory: Path, ids: Sequence[str], store: KeyStore, *, again: bool = False) -> list[files.Action]:
    actions, whose = [], identity_in(directory)
    for id in ids:
        file = directory / "requests" / f"{id}.csr"
        if file.exists():
            if not again:
                raise AuthorityExists(f"{file} waits for its certificate: install that first, or remove the request.")
        else:
            key, place = store.make(id)
            write_whole(file.with_suffix(".json"), _PLACE.dump_json(place) + b"\n")
            request = x509.load_der_x509_csr(make_request(key, issuing_name(whose, id)))
            write_whole(file, request.public_bytes(Encoding.PEM))
        place = _PLACE.validate_json(file.with_suffix(".json").read_bytes())
        actions.append(files.Action.requested(id, files.place_text(place), files.read_request(file, directory)))
    return actions


def sign_requests(
    offline: Path,
    requests: Sequence[Path],
    passphrases: Passphrases,
    profiles: Profiles,
    now: datetime,
    *,
    again: bool = False,
    dry_run: bool = False,
) -> list[files.Action]:
    """Sign requests, each named `<id>.csr`, with the root of its environment and family.

    `issued/<id>.pem` then holds the certificate and its root's, to carry back. A name is certified only once.
    With `dry_run` all is tried, and nothing written.
    """
    check_passphrases(passphrases)
    actions, whose = [], identity_in(offline)
    with files.alone_in(offline):
        for path in requests:
            id, request = path.stem, files.read_request(path, offline)
            environment, family = files.kind_of_file(path)
            root_file = root_id(environment, family)
            issued = offline / "issued" / f"{id}.pem"
            if issued.exists() and not again:
                raise AuthorityExists(f"{id} is certified already, in {issued}; nothing is certified twice.")
            root, root_key = files.open_root(offline, root_file, passphrases[environment])
            public_key, policies = request.public_key(), profiles.policies(environment)
            assert isinstance(public_key, PublicKey)
            certificate = make_issuing(root, root_key, public_key, whose, id, policies, files.second(now))
            if not dry_run:
                write_whole(issued, certificate.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
            actions.append(files.Action.certified("issuing CA", id, certificate))
    return actions


def install(
    directory: Path, certificates: Sequence[Path], now: datetime, *, dry_run: bool = False
) -> list[files.Action]:
    """Store certificates from the roots with the keys that were made for them; a `dry_run` only judges them.

    The first generation of a kind issues from its first second of validity; a later one waits for `activate`.
    """
    with files.alone_in(directory):
        return _install(directory, certificates, now, dry_run=dry_run)


def _install(
    directory: Path, certificates: Sequence[Path], now: datetime, *, dry_run: bool = False
) -> list[files.Action]:
    exists = (directory / MANIFEST).exists()
    manifest = read_manifest(directory) if exists else Manifest(made=files.second(now), issuing=())
    actions = []
    for path in certificates:
        entry, certificate, root = _entry(directory, path, manifest)
        if not dry_run:
            write_whole(directory / entry.root, root.public_bytes(Encoding.PEM))
            write_whole(directory / entry.certificate, certificate.public_bytes(Encoding.PEM))
        manifest = manifest.model_copy(update={"issuing": (*manifest.issuing, entry)})
        since = f"{entry.active_from:%Y-%m-%dT%H:%M:%SZ}" if entry.active_from else "issues nothing yet"
        facts = (("key is in", files.place_text(entry.key)), ("issues from", since))
        actions.append(files.Action.certified("installed", entry.id, certificate, *facts))
    if not dry_run:
        write_manifest(directory, manifest)
    return actions


def _entry(directory: Path, path: Path, manifest: Manifest) -> tuple[Entry, x509.Certificate, x509.Certificate]:
    """Check that a certificate matches its request, and return its manifest entry, itself and its root's."""
    id = path.stem
    environment, family = files.kind_of_file(path)
    if id in {entry.id for entry in manifest.issuing}:
        raise AuthorityExists(f"{id} is installed in {directory} already; nothing overwrites it.")
    requested = directory / "requests" / f"{id}.csr"
    if not requested.exists():
        raise AuthorityMissing(f"No request of {id} waits in {directory}: make one with `servicecert ca request`.")
    try:
        certificate, root = x509.load_pem_x509_certificates(path.read_bytes())
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise AuthorityRefused(
            f"{path} does not hold a CA's certificate and that of the root that signed it."
        ) from None
    whose, trial = identity_in(directory), is_trial(root)
    kind = (whose, environment, family)
    name = issuing_name(whose, id, trial=trial)
    if certificate.public_key() != files.read_request(requested, directory).public_key() or certificate.subject != name:
        raise AuthorityRefused(f"{path} is not the certificate that {requested} asks for.")
    # A root keeps its name for its whole life; the authority may be called otherwise by then.
    kinds = [it.get_attributes_for_oid(NameOID.COMMON_NAME) for it in (root.subject, root_name(*kind, trial=trial))]
    if kinds[0] != kinds[1]:
        raise AuthorityRefused(f"{path} is signed by a root of another kind than {root_id(environment, family)}.")
    place = _PLACE.validate_json(requested.with_suffix(".json").read_bytes())
    root_file = f"roots/{root_id(environment, family)}.pem"
    if (directory / root_file).exists() and files.read_certificate(directory / root_file) != root:
        raise AuthorityRefused(f"{path} is signed by another root than {directory / root_file}.")
    first = kind_of(id)[2] == 1
    entry = Entry(
        id=id,
        environment=environment,
        certificate=f"issuing/{id}.pem",
        root=root_file,
        key=place,
        active_from=certificate.not_valid_before_utc if first else None,
    )
    return entry, certificate, root


def activate(directory: Path, id: str, moment: datetime, now: datetime, *, dry_run: bool = False) -> list[files.Action]:
    """Let an installed CA issue from the future `moment` (aware); the previous generation still signs its CRLs.

    A `dry_run` only judges it.
    """
    with files.alone_in(directory):
        authority = Authority.load(directory)
        issuer, since = authority.issuer(id), authority.active_from[id]
        if since is not None and since <= now:
            raise AuthorityExists(f"{id} issues since {since:%Y-%m-%dT%H:%M:%SZ}; that cannot be taken back.")
        if moment < now:
            raise AuthorityRefused(f"{moment:%Y-%m-%dT%H:%M:%SZ} has passed: name a time that lies ahead.")
        if not issuer.not_before <= moment < issuer.not_after:
            raise AuthorityRefused(
                f"{id} is valid from {issuer.not_before:%Y-%m-%d} to {issuer.not_after:%Y-%m-%d}: name a time within."
            )
        manifest = read_manifest(directory)
        entries = tuple(
            entry.model_copy(update={"active_from": moment.astimezone(UTC)}) if entry.id == id else entry
            for entry in manifest.issuing
        )
        if not dry_run:
            write_manifest(directory, manifest.model_copy(update={"issuing": entries}))
    text = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    certificate = x509.load_der_x509_certificate(issuer.certificate_der)
    return [files.Action.certified("activated", id, certificate, ("issues from", text))]


def check_passphrases(passphrases: Passphrases, *, trial: bool = True) -> None:
    """Raise AuthorityRefused unless each environment has its own passphrase (I11); a weak one is for trials only."""
    values = [passphrases.get(environment) for environment in Environment]
    if not all(values):
        raise AuthorityRefused("Give a passphrase for the production keys and one for the test keys.")
    if len(set(values)) < len(values):
        raise AuthorityRefused("Production and test keys need different passphrases.")
    for environment, passphrase in passphrases.items():
        if not trial and is_weak(passphrase):
            raise AuthorityRefused(WEAK.format(environment))


def check_same_passphrases(directory: Path, file: Path) -> None:
    """Raise KeyUnavailable unless a file opens the keys in files that are there: services open all with one file."""
    issuing = read_manifest(directory).issuing if (directory / MANIFEST).exists() else ()
    places = {kind_of(each.id)[0]: each.key.file for each in issuing if isinstance(each.key, PemPlace)}
    if places and not file.exists():
        raise KeyFileMissing(
            f"There is no {file}: name the passphrase file of the keys in {directory}, which opens all."
        )
    for environment, place in places.items():
        open_key(directory / place, read_passphrases(file)[environment])
