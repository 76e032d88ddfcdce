"""Sending dead letters again: each once, whatever happens in the middle."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.errors import Fenced
from broker.reader import PartitionReader
from broker.settings import KafkaSettings
from contracts.load import Registry
from ingest.deadletters import Lookup, Original, Selection, read_letters
from ingest.redrive import Redrive, Redriven, RedriveRunning, redriven_before, redriving
from ingest.settings import IngestSettings
from tests.ingest.dead_letter_site import Site, event


class Crash(Exception):
    """What a kill looks like from inside."""


@pytest.fixture
def site(kafka_settings: KafkaSettings, tmp_path: Path, topic_name: str) -> Site:
    site = Site(kafka_settings, tmp_path, topic_name, topic_name.replace("-", "_"))
    site.create_topics()
    return site


@pytest.fixture
def ingest(tmp_path: Path) -> IngestSettings:
    return IngestSettings(runtime_dir=tmp_path / "run")


def now() -> datetime:
    return datetime.now(UTC)


def nothing_more(_: object) -> list[Original]:
    """A history that has nothing."""
    return []


def redrive(
    site: Site,
    ingest: IngestSettings,
    maximum: int = 500,
    *,
    selection: Selection | None = None,
    lookup: Lookup = nothing_more,
    is_forced: bool = False,
    crash: Callable[[Redrive], None] = lambda _: None,
) -> Redriven:
    """One run of `fleetlake deadletters redrive` under a contract that accepts speeds up to `maximum`."""
    registry: Registry = site.registry(maximum)
    with (
        redriving(site.kafka, ingest, registry, lookup, now=now, is_forced=is_forced) as run,
        PartitionReader(site.kafka) as reader,
    ):
        crash(run)
        chosen = selection or Selection(source=site.name)
        return run.run(read_letters(site.kafka, registry, chosen, reader))


def test_what_the_contract_accepts_now_is_sent_as_it_was(site: Site, ingest: IngestSettings) -> None:
    """Bytes, key and headers; what it still rejects stays where it is, by reason."""
    site.reject([event(150), event(50), event(5000), b"{"], key=b"k", headers=[("h", b"1")])

    result = redrive(site, ingest)

    assert (result.selected, result.sent, result.sent_before, result.incomplete) == (3, 1, 0, 0)
    assert result.still_rejected == {"out_of_range": 1, "malformed_json": 1}
    assert len(site.messages()) == 5
    assert site.messages()[-1] == Original(event(150), b"k", [("h", b"1")])


def test_a_second_redrive_sends_nothing_twice(site: Site, ingest: IngestSettings) -> None:
    """It finds what the first has sent, and sends what came since."""
    site.reject([event(150), event(160)])
    redrive(site, ingest)
    site.reject([event(170)])

    result = redrive(site, ingest)

    assert (result.selected, result.sent, result.sent_before) == (3, 1, 2)
    assert site.payloads()[2:] == [event(150), event(160), event(170), event(170)]


def test_any_selection_in_any_order_sends_each_once(site: Site, ingest: IngestSettings) -> None:
    """The last first, by its place; then all."""
    site.reject([event(150), event(160), event(170)])
    last = site.letters()[2]

    assert redrive(site, ingest, selection=Selection(places=frozenset({last.at}))).sent == 1
    assert redrive(site, ingest, selection=Selection(places=frozenset({last.source_at}))).sent_before == 1
    assert redrive(site, ingest).sent == 2

    assert site.payloads()[3:] == [event(170), event(150), event(160)]


def test_a_message_with_two_dead_letters_is_sent_once(site: Site, ingest: IngestSettings) -> None:
    """However they came about, the message is one."""
    site.reject([event(150)])
    with PartitionReader(site.kafka) as reader:
        [letter] = read_letters(site.kafka, site.registry(), Selection(source=site.name), reader)
    with redriving(site.kafka, ingest, site.registry(500), nothing_more, now=now) as run:
        result = run.run([letter, letter])

    assert (result.sent, result.sent_before) == (1, 1)
    assert site.payloads() == [event(150), event(150)]


def test_forcing_sends_what_is_still_rejected(site: Site, ingest: IngestSettings) -> None:
    """A null payload and bytes that are no text too; once, like everything."""
    site.reject([b"\xff\xfe", None, event(150)])

    assert redrive(site, ingest, maximum=100).sent == 0
    assert redrive(site, ingest, maximum=100, is_forced=True).sent == 3
    assert redrive(site, ingest, maximum=100, is_forced=True).sent_before == 3

    assert site.payloads()[3:] == [b"\xff\xfe", None, event(150)]


def test_a_cut_message_is_sent_whole_or_not_at_all(site: Site, ingest: IngestSettings) -> None:
    """From the history; where that has no such message, it is counted and nothing is marked."""
    whole = event(150)
    site.reject([whole], event_bytes=10)
    assert redrive(site, ingest).incomplete == 1
    assert site.payloads() == [whole]

    assert redrive(site, ingest, lookup=lambda _: [Original(whole, b"v1", None)]).sent == 1

    assert site.payloads() == [whole, whole]


def crash_at_begin(run: Redrive) -> None:
    def begin() -> None:
        raise Crash

    run.producer.begin = begin  # type: ignore[method-assign]


def crash_before_commit(run: Redrive) -> None:
    """Everything was sent, and the process is gone before it says so."""

    def commit(timeout_s: float = 0.0) -> None:
        current = getattr(run.producer, "_current", run.producer)
        current._client.flush(10)
        raise Crash

    run.producer.commit = commit  # type: ignore[method-assign]


def crash_after_commit(run: Redrive) -> None:
    """The transaction is there, and nobody in the process knows."""
    commit = run.producer.commit

    def commit_and_die(timeout_s: float = 10.0) -> None:
        commit(timeout_s)
        raise Crash

    run.producer.commit = commit_and_die  # type: ignore[method-assign]


@pytest.mark.parametrize("crash", [crash_at_begin, crash_before_commit, crash_after_commit])
@pytest.mark.parametrize("has_topic_ids", [False, True])
def test_a_crash_in_the_middle_loses_and_doubles_nothing(
    site: Site, ingest: IngestSettings, crash: Callable[[Redrive], None], has_topic_ids: bool
) -> None:
    """The next redrive ends what the dead one left open and sends what it had not."""
    if has_topic_ids:
        site.kafka = site.kafka.model_copy(update={"incarnation_file": None})
    site.reject([event(150), event(160)])
    with pytest.raises(Crash):
        redrive(site, ingest, crash=crash)

    redrive(site, ingest)

    assert site.payloads()[2:] == [event(150), event(160)]
    with PartitionReader(site.kafka) as reader:
        markers = redriven_before(site.kafka, reader)
    assert all(letter in markers for letter in site.letters())


def test_two_redrives_on_one_machine_are_refused(site: Site, ingest: IngestSettings) -> None:
    """The second is told, and the first goes on."""
    site.reject([event(150)])

    def start_another(_: Redrive) -> None:
        with pytest.raises(RedriveRunning):
            redrive(site, ingest)

    assert redrive(site, ingest, crash=start_another).sent == 1


def test_a_redrive_elsewhere_fences_an_older_one(site: Site, tmp_path: Path) -> None:
    """On a broker whose transactional ids are kept for good: the younger sends, the older stops."""
    site.kafka = site.kafka.model_copy(update={"incarnation_file": None})
    site.reject([event(150)])
    here, elsewhere = (IngestSettings(runtime_dir=tmp_path / name) for name in ("here", "elsewhere"))

    def start_elsewhere(_: Redrive) -> None:
        assert redrive(site, elsewhere).sent == 1

    with pytest.raises(Fenced):
        redrive(site, here, crash=start_elsewhere)

    assert site.payloads() == [event(150), event(150)]


@pytest.mark.slow
def test_nothing_was_redriven_where_the_markers_are_missing(kafka_settings: KafkaSettings) -> None:
    """Looking creates no topic."""
    with PartitionReader(kafka_settings) as reader:
        assert redriven_before(kafka_settings, reader).known == set()
