"""The stream of changes: at once, to whom they concern, and nothing missed by who was cut off."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

import httpx

from tests.deadlines import eventually
from tests.serving.scene import NOON, PROMPT, Api, Scene, api

PATIENCE_SECONDS = 20.0


class Listener:
    """Reads one stream in a thread."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.events: Queue[tuple[str, str, Any]] = Queue()
        self.last_id = ""
        self.is_open = True
        self._lines = lines
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        name = data = ""
        try:
            for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "id":
                    self.last_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    self.events.put((name, self.last_id, json.loads(data)))
                    name = data = ""
        except httpx.HTTPError:
            pass
        self.is_open = False

    def next(self, seconds: float = PATIENCE_SECONDS) -> tuple[str, str, Any]:
        """The next event."""
        return self.events.get(timeout=seconds)

    def until(self, vehicle: str) -> Any:
        """The next change of a vehicle."""
        while True:
            name, _, data = self.next()
            if name == "state" and data["vehicle_id"] == vehicle:
                return data

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


@contextmanager
def listening(client: Api, headers: dict[str, str] | None = None, **parameters: str) -> Iterator[Listener]:
    """A stream that is open, and has said so."""
    with client.stream("GET", "/stream", params=parameters, headers=headers or {}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        listener = Listener(answer.iter_lines())
        try:
            yield listener
        finally:
            answer.close()
            listener.join()


def test_a_change_is_on_the_wire_within_a_second(own: Scene) -> None:
    """With all that is known of the vehicle."""
    with api(own.settings) as client, listening(client) as listener:
        own.write("N1", {"speed": 50.0, "latitude": 52.5, "longitude": 13.4, "ignition": 1.0})
        began = time.monotonic()
        name, _, data = listener.next()
        assert time.monotonic() - began < 1.0
        assert name == "state"
        assert data == {
            "vehicle_id": "N1",
            "fleet": "north",
            "time": "2026-03-10T12:00:00.000Z",
            "speed": 50.0,
            "soc": None,
            "ignition": True,
            "charge_state": None,
            "latitude": 52.5,
            "longitude": 13.4,
            "signals": {
                signal: {"value": value, "time": "2026-03-10T12:00:00.000Z"}
                for signal, value in {
                    "ignition": 1.0,
                    "latitude": 52.5,
                    "longitude": 13.4,
                    "speed": 50.0,
                }.items()
            },
        }


def test_a_change_is_told_once(own: Scene) -> None:
    """Although looks overlap; and again when it changes, also where the written time stays, because another
    sink has a clock that is behind."""
    with api(own.settings) as client, listening(client) as listener:
        now = time.time_ns() // 1000
        own.write("N1", {"speed": 1.0}, written_us=now)
        assert listener.until("N1")["speed"] == 1.0
        own.write("N2", {"speed": 9.0})
        assert listener.until("N2")["speed"] == 9.0
        own.write("N1", {"soc": 5.0}, written_us=now - 500_000)
        assert listener.until("N1")["soc"] == 5.0
        own.write("N2", {"speed": 10.0})
        assert listener.until("N2")["speed"] == 10.0
        assert listener.events.empty()


def test_who_was_cut_off_goes_on_behind_the_last_event(own: Scene) -> None:
    """At another process, too: the id says where."""
    with api(own.settings) as client:
        with listening(client) as listener:
            own.write("N1", {"speed": 1.0})
            listener.until("N1")
            last = listener.last_id
        own.write("S1", {"speed": 2.0})
    with api(own.settings) as other, listening(other, {"last-event-id": last}) as listener:
        assert listener.until("S1")["speed"] == 2.0
        own.write("N1", {"speed": 3.0})
        assert listener.until("N1")


def test_a_heartbeat_says_where_to_go_on(own: Scene) -> None:
    """Who has seen no event yet misses nothing either."""
    own.write("N1", {"speed": 1.0})
    with api(own.settings) as client, listening(client) as listener:
        eventually(lambda: listener.last_id != "")
        assert listener.events.empty()
        assert int(listener.last_id) > 0


def test_who_comes_too_late_is_told_to_fetch_anew(own: Scene) -> None:
    """Or with an id that is none of ours; what happens from then on is told."""
    with api(own.settings) as client:
        for wrong in ("1", "x", "-5", "9" * 60, str(time.time_ns() // 1000 - 3_600_000_000)):
            with listening(client, {"last-event-id": wrong}) as listener:
                assert listener.next()[0] == "reset"
                own.write("N1", {"speed": float(len(wrong))})
                assert listener.until("N1")


def test_more_changes_than_are_sent_are_a_reset(own: Scene) -> None:
    """As after a rebuild, which writes every vehicle."""
    serving = PROMPT.model_copy(update={"stream_burst": 5})
    with api(own.settings.model_copy(update={"serving": serving})) as client, listening(client) as listener:
        for number in range(5):
            own.write(f"V{number}", {"speed": 1.0}, written_us=time.time_ns() // 1000 + 1000)
        while listener.next()[0] != "reset":
            pass


def test_a_rebuilt_collection_is_followed(own: Scene) -> None:
    """It takes the place of the one that had the index."""
    own.write("N1", {"speed": 1.0})
    with api(own.settings) as client, listening(client) as listener:
        rebuilt = own.state.at("rebuilt")
        found = own.state.read("N1")
        assert found is not None
        rebuilt.write([found])
        own.state.replace_with(rebuilt)
        own.write("N1", {"speed": 2.0}, NOON.replace(hour=13))
        assert listener.until("N1")["speed"] == 2.0


def test_listeners_get_what_they_asked_for(own: Scene) -> None:
    """One vehicle, one fleet, and of fleets only their own."""
    with (
        api(own.settings) as client,
        listening(client, vehicle="N2") as one,
        listening(client, fleet="south") as south,
        listening(client, {"x-fleets": "north"}) as north,
        listening(client) as everything,
    ):
        for number, vehicle in enumerate(("N1", "N2", "S1", "U1")):
            own.write(vehicle, {"speed": float(number)})
        heard: dict[str, set[str]] = {}
        for name, listener in {"one": one, "south": south, "north": north, "everything": everything}.items():
            heard[name] = set()
            eventually(lambda each=listener: not each.events.empty())  # type: ignore[misc]
        eventually(lambda: everything.events.qsize() >= 4)
        for name, listener in {"one": one, "south": south, "north": north, "everything": everything}.items():
            while True:
                try:
                    heard[name].add(listener.events.get_nowait()[2]["vehicle_id"])
                except Empty:
                    break
        assert heard == {
            "one": {"N2"},
            "south": {"S1"},
            "north": {"N1", "N2"},
            "everything": {"N1", "N2", "S1", "U1"},
        }


def test_only_so_many_may_listen(own: Scene) -> None:
    """The next one is told to come again; when one leaves, there is room."""
    serving = PROMPT.model_copy(update={"max_stream_clients": 1})
    with api(own.settings.model_copy(update={"serving": serving})) as client:
        with listening(client):
            refused = client.get("/stream")
            assert refused.status_code == 503
            assert refused.headers["retry-after"]

        def has_room() -> bool:
            with client.stream("GET", "/stream") as answer:
                return answer.status_code == 200

        eventually(has_room)


def test_a_stop_ends_the_streams(own: Scene) -> None:
    """A client that is told so connects to another process."""
    with api(own.settings) as client:
        answer = client.send(client.build_request("GET", "/stream"), stream=True)
        listener = Listener(answer.iter_lines())
        client.stopping.set()
        eventually(lambda: not listener.is_open)
        listener.join()
        answer.close()
