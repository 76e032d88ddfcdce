"""Claims of idempotency keys: one owner at a time, on whatever MongoDB is there."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.results import BulkWriteResult

from lake.errors import StoreUnavailable
from lake.idempotency import Claims
from lake.idempotency_model import Claim, Given, Owner
from lake.settings import MongoSettings
from tests.servers import Mongo

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLAIM = Claim(
    id="k1",
    digest=b"\x00\xff",
    attempt="a1",
    owner=Owner("gateway.0", "leases", 0),
    time=NOON,
    events=2,
    problems=b"[]",
    ends={("cars", 0): 7, ("cars", 1): 0},
)
GIVEN = Given(202, b'{"accepted": 2}')


@pytest.fixture
def claims(mongo_settings: MongoSettings) -> Iterator[Claims]:
    """In a database of the test's own."""
    with closing(Claims(mongo_settings)) as claims:
        yield claims


def test_a_key_is_claimed_once(claims: Claims) -> None:
    """Of several at once only the new ones are taken; what is there comes back as it was."""
    assert claims.take([CLAIM]) == {"k1"}
    other = replace(CLAIM, id="k2", attempt="a2")
    assert claims.take([replace(CLAIM, attempt="a3"), other]) == {"k2"}
    assert claims.find(["k1", "k2", "k3"]) == {"k1": CLAIM, "k2": other}


def test_of_many_that_claim_at_once_one_gets_it(claims: Claims) -> None:
    """Threads here, processes in the gateway's tests."""
    taken: list[str] = []

    def claim(number: int) -> None:
        taken.extend(claims.take([replace(CLAIM, id=f"k{n}", attempt=f"a{number}") for n in range(20)]))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"k{n}" for n in range(20))


def test_an_answer_is_kept_and_its_claim_cannot_be_taken_over(claims: Claims) -> None:
    """Nor given back."""
    claims.take([CLAIM])
    claims.answer([(CLAIM, GIVEN)])
    assert claims.find(["k1"])["k1"].given == GIVEN
    assert not claims.retake(CLAIM, replace(CLAIM, attempt="a2"))
    claims.release([CLAIM])
    assert claims.find(["k1"])["k1"].given == GIVEN


def test_of_two_that_take_a_claim_over_one_gets_it(claims: Claims) -> None:
    """And the former owner can neither answer it nor give it back."""
    claims.take([CLAIM])
    assert claims.retake(CLAIM, replace(CLAIM, attempt="a2"))
    assert not claims.retake(CLAIM, replace(CLAIM, attempt="a3"))
    claims.answer([(CLAIM, GIVEN)])
    claims.release([CLAIM])
    assert claims.find(["k1"])["k1"] == replace(CLAIM, attempt="a2")


def test_what_has_no_answer_is_found_oldest_first_and_never_forgotten(claims: Claims) -> None:
    """What has one is forgotten when it is old."""
    later = replace(CLAIM, id="k2", time=NOON + timedelta(hours=1))
    done = replace(CLAIM, id="k3", time=NOON - timedelta(hours=1))
    claims.take([later, CLAIM, done])
    claims.answer([(done, GIVEN)])
    assert [claim.id for claim in claims.unanswered(10)] == ["k1", "k2"]
    assert [claim.id for claim in claims.unanswered(1)] == ["k1"]
    assert claims.forget(NOON + timedelta(hours=2)) == 1
    assert set(claims.find(["k1", "k2", "k3"])) == {"k1", "k2"}


def test_a_server_that_is_away_is_said() -> None:
    """And may be asked again."""
    claims = Claims(MongoSettings(uri="mongodb://127.0.0.1:9", timeout_s=0.3))
    for call in (lambda: claims.take([CLAIM]), lambda: claims.find(["k1"]), lambda: claims.unanswered(1)):
        with pytest.raises(StoreUnavailable):
            call()
    claims.close()


def test_answers_outlive_a_server_that_is_killed_while_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed when it has all but one, and none on its disk."""
    server = Mongo(tmp_path / "mongo")
    server.start()
    write, lists = Collection.bulk_write, []

    def and_killed(to: Collection[dict[str, Any]], writes: list[Any], **options: Any) -> BulkWriteResult:
        done = write(to, writes, **options)
        lists.append(len(writes))
        if len(lists) == 1:
            server.kill()
            server.start()
        return done

    own = [replace(CLAIM, id=f"k{number}") for number in range(40)]
    try:
        with closing(Claims(MongoSettings(uri=server.uri))) as claims:
            claims.take(own)
            monkeypatch.setattr(Collection, "bulk_write", and_killed)
            claims.answer([(claim, GIVEN) for claim in own])
            found = claims.find(claim.id for claim in own)
    finally:
        server.stop()
    assert lists == [39, 1, 39, 1]
    assert {claim.given for claim in found.values()} == {GIVEN}
