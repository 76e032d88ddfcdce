"""Clients of the gateway that do what its documents tell them to: each asks with an Idempotency-Key, and with
the same one again until it is answered. What they were answered is the independent side of the comparison."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
from deltalake import DeltaTable

from tests.faults.rig.message import CAR, iso
from tests.faults.rig.site import eventually
from tests.faults.rig.verdict import Verdict

CLIENTS = 8
ANSWER_SECONDS = 30.0
PATIENCE_SECONDS = 180.0
"""From the first try of a request to its answer."""

PAUSE_SECONDS = 0.1
MOST_EVENTS = 3
REPEATED = 5
"""Each so-manieth request is sent once more although it was answered."""

TAKEN = 202
AGAIN = frozenset({409, 429, 503})
"""What a client is told to ask again for; anything else ends the run."""


class Place(NamedTuple):
    """Where an event is said to lie, and lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Request:
    """Events under one key: no two events of a run are alike."""

    key: str
    payloads: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        return b"[" + b",".join(self.payloads) + b"]"


@dataclass(frozen=True, slots=True)
class Answered:
    """And where its events are said to lie."""

    request: Request
    places: tuple[Place, ...]
    tries: int


class Clients:
    """Ask until the block ends; then what is under way is answered, too."""

    def __init__(self, address: str, begin_ms: int) -> None:
        self._address, self._begin_ms = address, begin_ms
        self.answered: list[Answered] = []
        self.answered_differently: list[str] = []
        self._over = threading.Event()
        self._troubles: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=[number], name=f"client-{number}", daemon=True)
            for number in range(CLIENTS)
        ]

    def await_answers(self, more: int, seconds: float = PATIENCE_SECONDS) -> float:
        """Until so many more requests are answered; the seconds it took."""
        wanted = len(self.answered) + more
        return eventually(
            lambda: len(self.answered) >= wanted or self._troubles, seconds, "the gateway answers"
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if error is not None:
            return  # nothing may be there any more that would answer
        for thread in self._threads:
            thread.join()
        if self._troubles:
            raise self._troubles[0]

    def _work(self, number: int) -> None:
        try:
            with httpx.Client(base_url=self._address, timeout=ANSWER_SECONDS) as client:
                for turn in count():
                    if self._over.is_set():
                        return
                    self._ask(client, self._request(number, turn), is_repeated=turn % REPEATED == 0)
        except BaseException as trouble:  # noqa: BLE001 - raised where the block ends
            self._troubles.append(trouble)

    def _ask(self, client: httpx.Client, request: Request, *, is_repeated: bool) -> None:
        answer, tries = _until_answered(client, request)
        self.answered.append(Answered(request, _places(answer.json()), tries))
        if is_repeated:
            again, _ = _until_answered(client, request)
            if again.content != answer.content or "idempotency-replayed" not in again.headers:
                self.answered_differently.append(request.key)

    def _request(self, number: int, turn: int) -> Request:
        first = self._begin_ms + turn * MOST_EVENTS
        times = range(first, first + 1 + turn % MOST_EVENTS)
        return Request(f"{number}-{turn}", tuple(_snapshot(f"KEYED_{number}", each) for each in times))


def _until_answered(client: httpx.Client, request: Request) -> tuple[httpx.Response, int]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    headers = {"Idempotency-Key": request.key, "Content-Type": "application/json"}
    for tries in count(1):
        try:
            answer = client.post("/ingest/car", content=request.body, headers=headers)
        except httpx.TransportError:  # it was killed, or is not there again yet
            status, said = 0, ""
        else:
            status, said = answer.status_code, answer.text
            if status == TAKEN:
                return answer, tries
        assert status == 0 or status in AGAIN, (request.key, status, said)
        assert time.monotonic() < deadline, f"{request.key} has no answer after {tries} tries: {said}"
        time.sleep(PAUSE_SECONDS)
    raise AssertionError


def _places(document: Mapping[str, Any]) -> tuple[Place, ...]:
    return tuple(Place(each["topic"], each["partition"], each["offset"]) for each in document["receipts"])


def _snapshot(car: str, time_ms: int) -> bytes:
    known = {
        "car_id": car,
        "timestamp": f"{iso(time_ms)}+00:00",
        "speed": 50.5,
        "rpm": 2000,
        "engine_temp": 90.0,
    }
    return json.dumps(known | {"fuel_level": 40.0, "latitude": 52.4, "longitude": 13.4}).encode()


def landed(uri: str, options: Mapping[str, str]) -> list[tuple[Place, bytes]]:
    """The rows of bronze that come from the clients' topic, by the plain Delta reader."""
    table = DeltaTable(f"{uri}/bronze/events", storage_options=dict(options))
    columns = ["topic", "partition", "offset", "payload"]
    rows = table.to_pyarrow_table(columns=columns, filters=[("topic", "=", CAR)]).to_pylist()
    return [(Place(row["topic"], row["partition"], row["offset"]), row["payload"]) for row in rows]


def judge(answered: Sequence[Answered], rows: Iterable[tuple[Place, bytes]]) -> Verdict:
    """Each event of each answered request is one row, where its receipt says; and there are no others."""
    wanted = {
        payload: place
        for each in answered
        for payload, place in zip(each.request.payloads, each.places, strict=True)
    }
    found = list(rows)
    counts, lies = Counter(payload for _, payload in found), dict.fromkeys(found)
    missing = wanted.keys() - counts.keys()
    elsewhere = [
        payload for payload, place in wanted.items() if payload in counts and (place, payload) not in lies
    ]
    return Verdict(
        acknowledged=len(wanted),
        rows=len(found),
        missing=len(missing),
        doubled=sum(number - 1 for number in counts.values()),
        altered=len(elsewhere),
        unexpected_rows=len(counts.keys() - wanted.keys()),
        examples=[
            *(f"missing {wanted[payload]}" for payload in sorted(missing)[:3]),
            *(f"not at {wanted[payload]}: {payload!r}" for payload in elsewhere[:3]),
            *(f"doubled: {payload!r}" for payload, number in counts.items() if number > 1),
        ][:10],
    )
