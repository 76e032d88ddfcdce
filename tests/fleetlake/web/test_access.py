"""Who is let in, by a key or because it is this machine, and who is not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contracts.access import Scope
from fleetlake.web.access import NoAuthentication
from fleetlake.web.key_file import revoke
from fleetlake.web.settings import HttpSettings
from tests.deadlines import eventually
from tests.fleetlake.web.conftest import MakeKey
from tests.interfaces import Interface, kind_of, status_of, talk

STATE = "/vehicles/V1/state"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "fleet.example.com"])  # noqa: S104 - refused
def test_nothing_listens_beyond_loopback_without_authentication(tmp_path: Path, host: str) -> None:
    """The start is refused, with what to do about it."""
    with pytest.raises(NoAuthentication, match="fleetlake keys add"):
        Interface(tmp_path, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_on_loopback_anybody_may_ask(tmp_path: Path, host: str) -> None:
    """A laptop needs no keys."""
    answer = Interface(tmp_path, host=host).ask("GET", STATE)
    assert (answer.status_code, answer.json()["by"]) == (200, "anybody")


@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "localhost.evil.example.com", "127.0.0.1.nip.io", "0.0.0.0", "a@localhost"],  # noqa: S104
)
def test_a_name_that_points_here_is_not_enough(open_interface: Interface, host: str) -> None:
    """DNS rebinding: the page's own name resolves to 127.0.0.1, and the browser says that name."""
    answer = open_interface.ask("GET", STATE, headers={"host": host})
    assert (answer.status_code, kind_of(answer)) == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_loopback_names_are_answered_on_any_port(open_interface: Interface, host: str) -> None:
    """A forwarded port has another number here."""
    assert open_interface.ask("GET", STATE, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example.com"},
        {"origin": "http://localhost:3000"},
        {"origin": "null"},
        {"origin": "http://localhost", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_foreign_page_sends_nothing_where_nobody_authenticates(
    open_interface: Interface, headers: dict[str, str]
) -> None:
    """It could not read the answer, but the events would be in."""
    answer = open_interface.ask("POST", "/ingest", headers=headers, content=b"{}")
    assert (answer.status_code, kind_of(answer)) == (403, "forbidden")


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://localhost"}, {"sec-fetch-site": "same-origin", "origin": "http://localhost"}],
)
def test_our_own_page_and_programs_send(open_interface: Interface, headers: dict[str, str]) -> None:
    """Programs say nothing of an origin."""
    assert open_interface.ask("POST", "/ingest", headers=headers, content=b"{}").status_code == 202


def test_a_key_lets_in_what_it_is_good_for(closed_interface: Interface, reader_key: str) -> None:
    """Reading, but not sending."""
    assert closed_interface.ask("GET", STATE, key=reader_key).json()["by"] == "reader"
    refused = closed_interface.ask("POST", "/ingest", key=reader_key, content=b"{}")
    assert (refused.status_code, kind_of(refused)) == (403, "forbidden")
    assert "ingest" in refused.json()["detail"]


def test_a_key_of_a_fleet_is_of_that_fleet(closed_interface: Interface, make_key: MakeKey) -> None:
    """Routes see the restriction; without one, all vehicles are meant."""
    key = make_key("north", Scope.READ, fleets=frozenset({"north"}))
    closed_interface = Interface(closed_interface.data_dir, host=closed_interface.host)
    assert closed_interface.ask("GET", STATE, key=key).json()["fleets"] == ["north"]


def credentials_that_are_none(key: str) -> list[str]:
    """What is not quite a key."""
    prefix, identity, secret = key.split("_", 2)
    return [
        "",
        "flk_",
        "flk__",
        key[:-1],
        key + "x",
        key.upper(),
        f"{prefix}_{identity}_{secret[::-1]}",
        f"{prefix}_{'0' * 12}_{secret}",
        f"{prefix}_{identity}_",
        f"{prefix}_{identity}_{secret}\x00",
        f"{prefix}_../{identity}_{secret}",
        "flk_" + "a" * 10_000,
        "ключ",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    ]


def test_what_is_not_quite_a_key_lets_nobody_in(closed_interface: Interface, reader_key: str) -> None:
    """All get the same answer: not whether the id was known."""
    details = set()
    for credential in credentials_that_are_none(reader_key):
        answer = closed_interface.ask(
            "GET", STATE, headers={b"authorization": f"Bearer {credential}".encode()}
        )
        assert (answer.status_code, kind_of(answer)) == (401, "unauthenticated"), credential
        assert answer.headers["www-authenticate"].startswith("Bearer")
        details.add(answer.json()["detail"])
    assert len(details) == 2  # nothing behind `Bearer`, and whatever else


@pytest.mark.parametrize("header", ["", "Basic dXNlcjpwYXNz", "bearer", "Token {key}", "{key}"])
def test_another_scheme_is_told_the_right_one(
    closed_interface: Interface, reader_key: str, header: str
) -> None:
    """And a key without `Bearer` is none."""
    answer = closed_interface.ask("GET", STATE, headers={"authorization": header.format(key=reader_key)})
    assert (answer.status_code, answer.json()["detail"]) == (401, "send `Authorization: Bearer KEY`")


@pytest.mark.parametrize(
    "path", [f"{STATE}?access_token={{key}}", f"{STATE}?key={{key}}", "/stream?token={key}"]
)
def test_a_key_in_an_address_is_none(closed_interface: Interface, reader_key: str, path: str) -> None:
    """Addresses end up in logs and histories."""
    assert closed_interface.ask("GET", path.format(key=reader_key)).status_code == 401


def test_a_revoked_key_is_out_without_a_restart(
    closed_interface: Interface, reader_key: str, make_key: MakeKey, keys_file: Path
) -> None:
    """And a new one is in."""
    assert closed_interface.ask("GET", STATE, key=reader_key).status_code == 200
    revoke(keys_file, "reader")
    eventually(lambda: closed_interface.ask("GET", STATE, key=reader_key).status_code == 401)
    key = make_key("another", Scope.READ)
    eventually(lambda: closed_interface.ask("GET", STATE, key=key).status_code == 200)


def test_an_expired_key_is_out(tmp_path: Path, make_key: MakeKey) -> None:
    """To the second."""
    gone = make_key("gone", Scope.READ, expires=datetime.now(UTC) - timedelta(seconds=1))
    good = make_key("good", Scope.READ, expires=datetime.now(UTC) + timedelta(minutes=1))
    interface = Interface(tmp_path)
    assert interface.ask("GET", STATE, key=gone).status_code == 401
    assert interface.ask("GET", STATE, key=good).status_code == 200


def test_the_first_key_closes_the_door_behind_it(
    open_interface: Interface, make_key: MakeKey, keys_file: Path
) -> None:
    """Also of an interface that runs, and taking the file away does not open it again."""
    assert open_interface.ask("GET", STATE).status_code == 200
    key = make_key("first", Scope.READ)
    eventually(lambda: open_interface.ask("GET", STATE).status_code == 401)
    assert open_interface.ask("GET", STATE, key=key).status_code == 200
    keys_file.unlink()
    eventually(lambda: open_interface.ask("GET", STATE, key=key).status_code == 401)
    assert open_interface.ask("GET", STATE).status_code == 401


def test_a_key_file_that_cannot_be_read_lets_nobody_in_and_stops_nothing(
    closed_interface: Interface, reader_key: str, keys_file: Path
) -> None:
    """It is said once in the log, and cured by writing it again."""
    good = keys_file.read_text()
    with capture_logs() as logs:
        keys_file.write_text("keys: [")
        eventually(lambda: closed_interface.ask("GET", STATE, key=reader_key).status_code == 401)
        eventually(lambda: closed_interface.ask("GET", STATE, key=reader_key).status_code == 401)
        assert closed_interface.ask("GET", "/health").status_code == 200
        keys_file.write_text(good)
        eventually(lambda: closed_interface.ask("GET", STATE, key=reader_key).status_code == 200)
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["keys_unreadable"]


def test_a_key_file_that_others_may_write_is_not_believed(
    closed_interface: Interface, reader_key: str, keys_file: Path
) -> None:
    """Whoever can write to it could add a key of their own."""
    keys_file.chmod(0o666)
    eventually(lambda: closed_interface.ask("GET", STATE, key=reader_key).status_code == 401)


def test_what_needs_no_key_is_open_and_nothing_beside_it(
    closed_interface: Interface, reader_key: str
) -> None:
    """The page's files; a wrong key is told all the same."""
    assert closed_interface.ask("GET", "/").status_code == 200
    assert closed_interface.ask("GET", "/page/app.js").status_code == 200
    assert closed_interface.ask("GET", "/page/app.js", key=reader_key).status_code == 200
    assert closed_interface.ask("GET", "/page/app.js", key="flk_wrong").status_code == 401
    assert closed_interface.ask("GET", "/page").status_code == 401
    assert closed_interface.ask("GET", "/unread").status_code == 401


def test_who_has_no_key_has_no_rights_on_what_is_open(tmp_path: Path, make_key: MakeKey) -> None:
    """Even if a route below an open path forgot what it serves."""
    make_key("any", Scope.READ)
    interface = Interface(tmp_path, open_paths=(STATE,))
    assert interface.ask("GET", STATE).status_code == 403


@pytest.mark.parametrize("name", ["authorization", "host"])
def test_a_header_that_decides_comes_once(tmp_path: Path, reader_key: str, name: str) -> None:
    """Whoever stands before us may have looked at the other one."""
    interface = Interface(tmp_path)
    value = {"authorization": f"Bearer {reader_key}", "host": "localhost"}[name]
    doubled = [("authorization", f"Bearer {reader_key}"), ("host", "localhost"), (name, value)]
    with interface.listening() as port:
        head = "".join(f"{key}: {each}\r\n" for key, each in doubled)
        answer = talk(port, f"GET /metrics HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode())
        expected = 400 if name == "host" else 200  # from this machine nobody asks for the key
        assert status_of(answer) == expected
        answer = talk(port, f"GET {STATE} HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode())
        assert status_of(answer) == (400 if name == "authorization" else 200)


def test_metrics_are_for_this_machine_or_for_a_key(
    closed_interface: Interface, reader_key: str, make_key: MakeKey
) -> None:
    """A proxy on this machine is not this machine: others are behind it."""
    sender = make_key("sender", Scope.INGEST)
    of_one_fleet = make_key("north", Scope.READ, fleets=frozenset({"north"}))
    asked = Interface(closed_interface.data_dir, host=closed_interface.host)
    assert asked.ask("GET", "/metrics").status_code == 200
    assert asked.ask("GET", "/metrics", headers={"x-forwarded-for": "10.0.0.1"}).status_code == 401
    assert asked.ask("GET", "/metrics", host="fleet.example.com").status_code == 401
    assert asked.ask("GET", "/metrics", peer="10.0.0.1").status_code == 401
    assert asked.ask("GET", "/metrics", peer="10.0.0.1", key=sender).status_code == 403
    assert asked.ask("GET", "/metrics", peer="10.0.0.1", key=of_one_fleet).status_code == 403
    answer = asked.ask("GET", "/metrics", peer="10.0.0.1", key=reader_key)
    assert "fleetlake_http_requests_total" in answer.text


def test_a_limit_of_tries_holds_for_wrong_keys_too(tmp_path: Path, reader_key: str) -> None:
    """By address; who has a key is counted by it, and goes on."""
    interface = Interface(tmp_path, http=HttpSettings(requests_per_second=0.001, burst=2))
    tried = [interface.ask("GET", STATE, key="flk_wrong").status_code for _ in range(4)]
    assert tried == [401, 401, 429, 429]
    assert interface.ask("GET", STATE, key=reader_key).status_code == 200
