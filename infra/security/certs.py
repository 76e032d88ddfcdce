"""The deployment's own authority and a certificate for every server and service, as PEM files that only their
owner can read.

    python infra/security/certs.py make                  # all that rights.yml names; never overwrites
    python infra/security/certs.py show                  # until when each holds; exits 1 if one ends soon
    python infra/security/certs.py renew kafka history   # new key and certificate, by the same authority
    python infra/security/certs.py renew --all

`--shared` lets everybody read the keys, in a folder that only its owner may enter: so single ones can be
mounted into containers, whose users are none of this host. A server's certificate names the addresses it is
reached by (`--also kafka=kafka.example.org` adds one), a service's only who it is: `CN=history`. For each
NAME there are `NAME.crt`, `NAME.key`, and `NAME.pem`: both with the authority's, the form that Kafka and
MongoDB read. `ca.key` signs all of them: keep it elsewhere once they are made.
"""

import argparse
import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.security.rights import load_rights

AUTHORITY = "ca"
AUTHORITY_DAYS = 3650
DAYS = 397
"""What browsers and Java still take of a server."""

SOON = timedelta(days=30)
SKEW = timedelta(minutes=5)
"""Clocks differ: a certificate holds from a little before it was made."""

LOCAL = ("localhost", "127.0.0.1")
FOLDER = Path(".secrets/certs")
PRIVATE, SHARED = 0o600, 0o644

Key = ec.EllipticCurvePrivateKey


class AlreadyThere(Exception):
    """A file that would be written exists.

    Operator action: `renew` replaces certificates; to begin anew, move the folder away.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(
            f"{file} is there already: `renew` replaces certificates, nothing replaces the authority"
        )


class NoAuthority(Exception):
    """The authority's key or certificate is missing.

    Operator action: bring ca.crt and ca.key back into the folder, or make everything anew.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(f"{file} is missing: without it nothing can be signed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One certificate: whose it is, and by which addresses it is reached; none where it only calls others."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs the others."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def made(cls, now: datetime) -> "Authority":
        """A new one, for ten years."""
        key, name = _new_key(), _named("Fleetlake authority")
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _begun(name, name, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def read(cls, folder: Path) -> "Authority":
        """The one in the folder; NoAuthority without."""
        key, certificate = _file(folder, AUTHORITY, "key"), _file(folder, AUTHORITY, "crt")
        for file in (key, certificate):
            if not file.exists():
                raise NoAuthority(file)
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise NoAuthority(key)
        return cls(loaded, x509.load_pem_x509_certificate(certificate.read_bytes()))

    def signed(self, wanted: Wanted, now: datetime) -> tuple[Key, x509.Certificate]:
        """A new key and its certificate. Servers call other servers, too; services are called by nobody."""
        key = _new_key()
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        begun = _begun(self.certificate.subject, _named(wanted.name), key, now, DAYS)
        if wanted.addresses:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general(each) for each in wanted.addresses])
            begun = begun.add_extension(names, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            begun.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return key, certificate


def make(folder: Path, wanted: Sequence[Wanted], now: datetime, mode: int = PRIVATE) -> None:
    """Authority and certificates, where nothing is yet; AlreadyThere, before anything is written, otherwise.

    `mode` is of the keys; the authority's own is always its owner's alone.
    """
    for name in (AUTHORITY, *(each.name for each in wanted)):
        for kind in ("key", "crt", "pem"):
            if _file(folder, name, kind).exists():
                raise AlreadyThere(_file(folder, name, kind))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = Authority.made(now)
    _write(_file(folder, AUTHORITY, "key"), _key_pem(authority.key))
    _write(_file(folder, AUTHORITY, "crt"), _pem(authority.certificate), SHARED)
    renew(folder, wanted, now, mode)


def renew(folder: Path, wanted: Sequence[Wanted], now: datetime, mode: int | None = None) -> None:
    """New keys and certificates by the same authority; each file is replaced as a whole. Without `mode` a key
    can be read by whoever could read it before."""
    authority = Authority.read(folder)
    for each in wanted:
        key, certificate = authority.signed(_with_former(folder, each), now)
        text, own = _key_pem(key), _pem(certificate)
        former = _file(folder, each.name, "key")
        kept = former.stat().st_mode & 0o777 if former.exists() else PRIVATE
        readable = kept if mode is None else mode
        _write(former, text, readable)
        _write(_file(folder, each.name, "pem"), text + own + _pem(authority.certificate), readable)
        _write(_file(folder, each.name, "crt"), own, SHARED)


def _with_former(folder: Path, wanted: Wanted) -> Wanted:
    """Addresses that the certificate of before had stay: who renews need not know them."""
    file = _file(folder, wanted.name, "crt")
    if not wanted.addresses or not file.exists():
        return wanted
    extensions = x509.load_pem_x509_certificate(file.read_bytes()).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    former = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return Wanted(wanted.name, tuple(dict.fromkeys([*former, *wanted.addresses])))


def ends(folder: Path) -> dict[str, datetime]:
    """Until when each certificate holds, by name."""
    found = {file.stem: x509.load_pem_x509_certificate(file.read_bytes()) for file in folder.glob("*.crt")}
    return {name: found[name].not_valid_after_utc for name in sorted(found)}


def wanted_by_rights(also: Mapping[str, Sequence[str]]) -> list[Wanted]:
    """Every server and service of rights.yml, servers with the addresses of their own and `also`."""
    rights = load_rights()
    servers = [Wanted(name, (name, *LOCAL, *also.get(name, ()))) for name in rights.servers]
    return [*servers, *(Wanted(name) for name in (rights.administrator, *rights.services))]


def _begun(
    issuer: x509.Name, subject: x509.Name, key: Key, now: datetime, days: int
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: Key) -> bytes:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain)


def _file(folder: Path, name: str, kind: str) -> Path:
    return folder / f"{name}.{kind}"


def _write(file: Path, content: bytes, mode: int = PRIVATE) -> None:
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as opened:
        opened.write(content)
        os.fchmod(opened.fileno(), mode)
    os.replace(draft, file)


def show(folder: Path, now: datetime) -> bool:
    """Prints until when each holds; returns whether one ends soon, or there is none."""
    found = ends(folder)
    for name, end in found.items():
        left = (end - now).days
        word = "ended" if end <= now else "ends soon: renew it" if end - now < SOON else "holds"
        print(f"{name:16} until {end:%Y-%m-%d} ({left} days) {word}")
    return not found or any(end - now < SOON for end in found.values())


def _parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("action", choices=["make", "renew", "show"])
    options.add_argument("names", nargs="*", help="of those to renew")
    options.add_argument("--all", action="store_true", help="renew every certificate but the authority's")
    options.add_argument("--folder", type=Path, default=FOLDER)
    options.add_argument("--shared", action="store_true", help="whoever gets into the folder may read keys")
    options.add_argument("--also", action="append", default=[], metavar="SERVER=ADDRESS")
    return options


def main(words: Sequence[str] | None = None, *, now: datetime | None = None) -> int:
    """The command; returns the exit code."""
    parser, now = _parser(), now or datetime.now(UTC)
    arguments = parser.parse_args(words)
    also: dict[str, list[str]] = {}
    for each in arguments.also:
        server, _, address = each.partition("=")
        also.setdefault(server, []).append(address)
    wanted = wanted_by_rights(also)
    known = [each.name for each in wanted]
    if unknown := [name for name in (*arguments.names, *also) if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    if arguments.action == "show":
        return int(show(arguments.folder, now))
    try:
        if arguments.action == "make":
            make(arguments.folder, wanted, now, SHARED if arguments.shared else PRIVATE)
        elif arguments.all or arguments.names:
            renew(arguments.folder, [e for e in wanted if arguments.all or e.name in arguments.names], now)
        else:
            parser.error("name those to renew, or --all")
    except (AlreadyThere, NoAuthority, OSError) as error:
        print(f"certs: {error} [{type(error).__name__}]", file=sys.stderr)
        return 1
    show(arguments.folder, now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
