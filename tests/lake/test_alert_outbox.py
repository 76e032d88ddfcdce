"""Deliveries: leased to one process, lost by none, in the order that an alert has."""

from collections.abc import Iterator

import pytest

from lake.alert_outbox import BEHIND_US, AlertOutbox, Delivery, NewDelivery
from lake.alert_store import AlertStore
from lake.settings import MongoSettings

LEASE_US = 1000
OPENED = NewDelivery("d1", "ops", "opened", {"alert_id": "a1"})
RESOLVED = NewDelivery("d2", "ops", "resolved", {"alert_id": "a1"}, after="d1")


@pytest.fixture
def outbox(mongo_settings: MongoSettings) -> Iterator[AlertOutbox]:
    """Empty."""
    with AlertStore(mongo_settings) as store:
        opened = AlertOutbox(mongo_settings, store.client)
        opened.ensure_indexes()
        yield opened


def claimed(outbox: AlertOutbox, now_us: int, owner: str = "me") -> Delivery:
    """The next one, which there must be."""
    found = outbox.claim("ops", now_us, LEASE_US, owner)
    assert found is not None
    return found


def test_a_delivery_belongs_to_one_process_for_as_long_as_its_lease(outbox: AlertOutbox) -> None:
    """A kill delays it; it is the same then."""
    outbox.add([OPENED, OPENED], 10)
    outbox.add([OPENED], 20)
    first = claimed(outbox, 10)
    assert (first.id, first.tries, first.created_us, first.alert) == ("d1", 1, 10, {"alert_id": "a1"})
    assert outbox.claim("ops", 10 + LEASE_US - 1, LEASE_US, "other") is None
    assert outbox.claim("elsewhere", 10**9, LEASE_US, "other") is None
    again = claimed(outbox, 10 + LEASE_US, "other")
    assert (again.id, again.tries) == ("d1", 2)


def test_a_delivery_that_failed_is_due_again_when_it_was_put_off_to(outbox: AlertOutbox) -> None:
    """By its owner only."""
    outbox.add([OPENED], 0)
    delivery = claimed(outbox, 0)
    outbox.postpone(delivery, "stranger", 1, "no")
    assert outbox.claim("ops", 1, LEASE_US, "other") is None
    outbox.postpone(delivery, "me", 500, "answered 500")
    assert outbox.claim("ops", 499, LEASE_US, "other") is None
    assert claimed(outbox, 500, "other").tries == 2


def test_what_was_delivered_is_so_whoever_holds_it(outbox: AlertOutbox) -> None:
    """It was answered although the lease was over: it is not sent again."""
    outbox.add([OPENED], 0)
    first = claimed(outbox, 0)
    claimed(outbox, LEASE_US, "other")
    outbox.delivered(first, LEASE_US + 1)
    assert outbox.claim("ops", 10**9, LEASE_US, "me") is None
    assert outbox.of_alerts(["a1"])["a1"][0]["state"] == "delivered"


def test_the_end_of_an_alert_waits_for_its_beginning(outbox: AlertOutbox) -> None:
    """Until that has had its outcome; the waiting is no try."""
    outbox.add([RESOLVED, OPENED], 0)
    first = claimed(outbox, 0)
    assert first.id == "d1"
    outbox.postpone(first, "me", 10 * BEHIND_US, "no")
    assert outbox.claim("ops", BEHIND_US, LEASE_US, "me") is None
    outbox.give_up(claimed(outbox, 10 * BEHIND_US), "me", 10 * BEHIND_US, "no")
    last = claimed(outbox, 20 * BEHIND_US)
    assert (last.id, last.tries) == ("d2", 1)


def test_what_was_given_up_waits_for_a_person(outbox: AlertOutbox) -> None:
    """And is new then: it has all its time once more."""
    outbox.add([OPENED], 0)
    outbox.give_up(claimed(outbox, 0), "me", 5, "answered 400")
    assert outbox.count("given_up") == 1
    assert outbox.of_alerts(["a1"])["a1"][0]["last_error"] == "answered 400"
    assert outbox.redrive(["nobody"], 100) == 0
    assert outbox.redrive(["a1"], 100) == 1
    assert outbox.redrive([], 100) == 0
    again = claimed(outbox, 100)
    assert (again.tries, again.created_us) == (1, 100)


def test_a_webhook_that_is_in_no_file_any_more_holds_nothing_for_ever(outbox: AlertOutbox) -> None:
    """After a while: another process may have another file for a moment."""
    outbox.add([OPENED], 50)
    assert outbox.give_up_others(["ops"], 100, 100) == 0
    assert outbox.give_up_others(["new"], 50, 100) == 0
    assert outbox.give_up_others(["new"], 51, 100) == 1


def test_deliveries_with_an_outcome_are_forgotten(outbox: AlertOutbox) -> None:
    """Those that wait stay."""
    outbox.add([OPENED, NewDelivery("d3", "ops", "opened", {"alert_id": "a3"})], 0)
    outbox.delivered(claimed(outbox, 0), 5)
    assert outbox.forget(5) == 0
    assert outbox.forget(6) == 1
    assert outbox.count("waiting") == 1
