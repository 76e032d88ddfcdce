"""The authority and the certificates it signs."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from infra.security import certs

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them."""
    folder: Path = tmp_path_factory.mktemp("certs") / "made"
    assert certs.main(["make", "--folder", str(folder), "--also", "kafka=kafka.example.org"]) == 0
    return folder


def read(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def side(folder: Path, purpose: ssl.Purpose, name: str) -> ssl.SSLContext:
    """One side of a connection, that wants a certificate of the other."""
    context = ssl.create_default_context(purpose, cafile=folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / f"{name}.pem")
    return context


def handshake(folder: Path, server: str, client: str, address: str) -> None:
    """Both sides in memory; raises what either finds wrong."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = side(folder, ssl.Purpose.SERVER_AUTH, client).wrap_bio(back, there, server_hostname=address)
    called = side(folder, ssl.Purpose.CLIENT_AUTH, server).wrap_bio(there, back, server_side=True)
    for each in (calling, called) * 3:
        with suppress(ssl.SSLWantReadError):
            each.do_handshake()
    assert calling.getpeercert()
    assert called.getpeercert()


def test_keys_are_their_owners_and_certificates_are_of_the_authority(made: Path) -> None:
    """Of every server and service; each side of a connection takes the other."""
    authority = read(made, "ca")
    for file in (*made.glob("*.key"), *made.glob("*.pem")):
        assert file.stat().st_mode & 0o077 == 0, file
    for name in ("kafka", "minio", "mongo", "admin", "history", "api"):
        read(made, name).verify_directly_issued_by(authority)
    assert names(read(made, "kafka")) == ["kafka", "localhost", "kafka.example.org"]
    for address in ("kafka", "kafka.example.org", "127.0.0.1"):
        handshake(made, "kafka", "history", address)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(made, "kafka", "history", "elsewhere")


def test_keys_can_be_shared_with_containers_but_the_authoritys(tmp_path: Path) -> None:
    """In a folder that only its owner may enter; renewed ones stay so."""
    folder, wanted = tmp_path / "certs", [certs.Wanted("history")]
    certs.make(folder, wanted, NOW, certs.SHARED)
    certs.renew(folder, wanted, NOW)
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert (modes["history.key"], modes["history.pem"], modes["ca.key"]) == (0o644, 0o644, 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_service_cannot_pass_for_a_server(made: Path) -> None:
    """Its certificate names no address, and is good for calling only."""
    uses = read(made, "history").extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "history", "api", "history")


def test_nothing_is_overwritten(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even where only one file is left of those before."""
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    assert certs.main(["make", "--folder", str(made)]) == 1
    assert "[AlreadyThere]" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before


def test_renewed_ones_keep_their_addresses_and_the_authority(tmp_path: Path) -> None:
    """Whoever trusts the authority goes on without a change; others keep theirs."""
    wanted = [certs.Wanted("kafka", ("kafka", "10.0.0.1")), certs.Wanted("history")]
    certs.make(tmp_path, wanted, NOW)
    before = read(tmp_path, "kafka"), read(tmp_path, "history"), read(tmp_path, "ca")
    certs.renew(tmp_path, [certs.Wanted("kafka", ("localhost",))], NOW + timedelta(days=300))
    after = read(tmp_path, "kafka")
    after.verify_directly_issued_by(before[2])
    assert names(after) == ["kafka", "localhost"]
    assert after.not_valid_after_utc > before[0].not_valid_after_utc
    assert after.public_key() != before[0].public_key()
    assert read(tmp_path, "history") == before[1]
    assert read(tmp_path, "ca") == before[2]


def test_what_ends_soon_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 from 30 days before, for whoever calls it every day."""
    certs.make(tmp_path, [certs.Wanted("history")], NOW)
    assert certs.main(["show", "--folder", str(tmp_path)], now=NOW + timedelta(days=360)) == 0
    assert certs.main(["show", "--folder", str(tmp_path)], now=NOW + timedelta(days=370)) == 1
    assert "ends soon: renew it" in capsys.readouterr().out


def test_without_the_authority_nothing_is_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One readable line."""
    assert certs.main(["renew", "kafka", "--folder", str(tmp_path)]) == 1
    assert "[NoAuthority]" in capsys.readouterr().err
