"""Alerts and tracks in MongoDB: a step lands where nobody was faster, and repetition changes nothing."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from lake.alert_reader import AlertReader, questions
from lake.alert_store import ALERTS, NEWEST_FIRST, TOLD_AFTER_US, AlertStore, StoredTrack, TrackWrite
from lake.settings import MongoSettings

NOW_US = 1_000_000_000
EFFECT: dict[str, Any] = {
    "event": "opened",
    "alert_id": "a1",
    "rule": "fast",
    "vehicle_id": "v",
    "opened_us": 5,
    "at_us": 5,
    "value": 142.0,
    "summary": "v is fast",
    "severity": "warning",
    "webhooks": ["ops"],
}
OVER = {**EFFECT, "event": "resolved", "at_us": 9}


@pytest.fixture
def store(mongo_settings: MongoSettings) -> Iterator[AlertStore]:
    """Without any vehicle."""
    with AlertStore(mongo_settings) as opened:
        opened.ensure_indexes()
        opened.ensure_indexes()
        yield opened


def step(
    before: StoredTrack, text: str = "t", now: int | None = None, clock: int | None = None
) -> TrackWrite:
    """A step without effects."""
    return TrackWrite(before, text, now, clock)


def test_a_step_lands_where_the_vehicle_is_as_it_was_read(store: AlertStore) -> None:
    """A first one, a next one; nothing of who read before."""
    read = store.read(["v", "w"])
    assert read == {"v": StoredTrack("v"), "w": StoredTrack("w")}
    assert store.write([step(read["v"], "1"), step(read["w"], "1")], NOW_US) == {"v", "w"}
    assert store.write([step(read["v"], "other")], NOW_US) == set()
    current = store.read(["v", "w"])
    assert current["v"] == StoredTrack("v", 1, "1")
    assert store.write([step(current["v"], "2"), step(read["w"], "other")], NOW_US) == {"v"}
    assert store.write([step(current["v"], "late"), step(current["w"], "2")], NOW_US) == {"w"}
    assert {v: (t.revision, t.text) for v, t in store.read(["v", "w"]).items()} == {
        "v": (2, "2"),
        "w": (2, "2"),
    }


def test_a_vehicle_is_found_when_it_is_due(store: AlertStore) -> None:
    """By the clock of processes, or by that of the sources; one that waits for nothing never is."""
    store.write(
        [step(StoredTrack("a"), now=10), step(StoredTrack("b"), clock=20), step(StoredTrack("c"))], NOW_US
    )

    def due(now: int, clock: int) -> set[str]:
        return {found.vehicle_id for found in store.due(now, clock, 10)}

    assert due(9, 19) == set()
    assert due(10, 19) == {"a"}
    assert due(9, 20) == {"b"}
    assert due(2**60, 2**60) == {"a", "b"}
    assert len(store.due(2**60, 2**60, 1)) == 1


def test_what_was_not_told_is_due(store: AlertStore) -> None:
    """Whoever was to tell it may be gone; once told, it is not due any more."""
    write = TrackWrite(StoredTrack("v"), "t", None, None, [EFFECT])
    assert store.write([write], NOW_US) == {"v"}
    assert store.due(NOW_US, 0, 10) == []
    [found] = store.due(NOW_US + TOLD_AFTER_US, 0, 10)
    assert found.effects == (EFFECT,)
    store.told([write])
    assert store.due(2**60, 0, 10) == []
    assert store.read(["v"])["v"].effects == ()


def test_who_tells_late_does_not_forget_what_came_since(store: AlertStore) -> None:
    """The vehicle has gone on: its new effects stay."""
    first = TrackWrite(StoredTrack("v"), "1", None, None, [EFFECT])
    store.write([first], NOW_US)
    second = TrackWrite(store.read(["v"])["v"], "2", None, None, [OVER])
    assert store.write([second], NOW_US) == {"v"}
    store.told([first])
    assert store.read(["v"])["v"].effects == (OVER,)


def test_an_alert_opens_once_and_is_over_once(store: AlertStore) -> None:
    """In whatever way its effects are repeated."""
    store.apply([EFFECT], 100)
    store.apply([EFFECT, EFFECT], 200)
    assert store.alert("a1") == {
        "_id": "a1", "rule": "fast", "vehicle_id": "v", "state": "open", "opened_us": 5, "resolved_us": None,
        "value": 142.0, "summary": "v is fast", "severity": "warning", "webhooks": ["ops"], "written_us": 100,
    }  # fmt: skip
    assert [each["_id"] for each in store.open_of_webhook("ops", 10)] == ["a1"]
    store.apply([OVER], 300)
    store.apply([EFFECT, {**OVER, "at_us": 10}], 400)
    [alert] = store.alerts()
    assert (alert["state"], alert["resolved_us"], alert["written_us"]) == ("resolved", 9, 300)
    assert store.alerts("open") == store.open_of_webhook("ops", 10) == []


def test_old_alerts_are_forgotten_when_they_are_over(store: AlertStore) -> None:
    """By when that was written, whatever their readings' times; open ones stay, however old."""
    store.apply([EFFECT, OVER, {**EFFECT, "alert_id": "a2"}], 300)
    assert store.forget_resolved(300) == 0
    assert store.forget_resolved(301) == 1
    assert [each["_id"] for each in store.alerts()] == ["a2"]


def test_the_sources_are_read_up_to_the_slowest_partition(store: AlertStore) -> None:
    """One that nobody has read yet holds all back; no report takes back another."""
    store.report_read({"t/0": 50, "t/1": 40})
    assert store.read_until(["t/0", "t/1", "t/2"]) == 0
    store.report_read({"t/0": 30, "t/2": 60})
    assert store.read_until(["t/0", "t/1", "t/2"]) == 40
    assert store.read_until([]) == 0


def test_other_rules_make_every_vehicle_due(store: AlertStore) -> None:
    """Once, whoever begins with them first."""
    store.write([step(StoredTrack("v"))], NOW_US)
    assert store.begin_with("one")
    assert [found.vehicle_id for found in store.due(0, 0, 10)] == ["v"]
    assert not store.begin_with("one")
    assert store.begin_with("two")


@pytest.mark.parametrize("before", [None, (5, "a9")])
@pytest.mark.parametrize(
    ("state", "vehicles"), [(None, None), ("open", None), ("resolved", None), (None, ["v"])]
)
def test_a_page_of_alerts_is_read_from_an_index(
    store: AlertStore, state: str | None, vehicles: list[str] | None, before: tuple[int, str] | None
) -> None:
    """Not all alerts are looked at for it. The first page of all is read in its order; for the others the
    embedded server sorts what it finds."""
    store.apply([{**EFFECT, "alert_id": f"a{number}", "opened_us": number} for number in range(20)], NOW_US)
    alerts = store.client[store.settings.database][ALERTS]
    for question in questions(state, vehicles, before):
        found = alerts.find(question).sort(list(NEWEST_FIRST)).limit(2).explain()
        plan = str(found["queryPlanner"]["winningPlan"])
        assert "'IXSCAN'" in plan
        assert "'COLLSCAN'" not in plan
        assert "'SORT'" not in plan or question


def test_a_page_of_alerts_goes_on_behind_the_last_one(store: AlertStore) -> None:
    """Of several that opened at once, too."""
    opened = {f"a{number}": number // 3 for number in range(10)}
    store.apply([{**EFFECT, "alert_id": name, "opened_us": at} for name, at in opened.items()], NOW_US)
    found: list[str] = []
    before: tuple[int, str] | None = None
    with closing(AlertReader(store.settings)) as reader:
        while page := reader.page(state="open", vehicles=["v", "w"], before=before, limit=2):
            found += [alert.alert_id for alert in page]
            before = (page[-1].opened_us, page[-1].alert_id)
    assert found == sorted(opened, reverse=True)
