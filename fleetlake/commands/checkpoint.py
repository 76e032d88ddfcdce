"""`fleetlake checkpoint`: look at where the history stands, and repair places that sinks cannot leave."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.identity import TopicIdentities
from broker.offsets import Offsets
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.topic_lives_file import renew_life
from contracts.load import load_registry
from fleetlake.commands.plain_text import counted
from fleetlake.settings import Settings
from fleetlake.stack.presence import require_choice, require_server
from ingest.checkpoints import NothingToRepair, reroute, restore_missing, resume, skip_lost
from lake.bronze import Bronze, BronzePartition
from lake.storage import wait_ready

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Where the history stands; repairs of its places and those of routes.",
)

Topic = Annotated[str, typer.Argument(help="A source topic.")]
Partition = Annotated[int, typer.Argument(min=0, help="Its partition.")]


@app.command("list")
def list_checkpoints(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """The next offset of every partition, beside Kafka's log."""
    settings = Settings()
    require_server(settings, "kafka")
    topics = load_registry(settings.contracts).topics()
    offsets = Offsets(settings.kafka)
    starts, ends = offsets.starts(topics), offsets.ends(topics)
    topic_ids = TopicIdentities(settings.kafka).read(topics)
    keys = {
        place: BronzePartition(topic_ids[place.topic], place.partition)
        for place in starts.keys() & ends.keys()
    }
    found = Bronze(wait_ready(settings.lake, writes=False)).checkpoints(keys.values())
    rows = [
        {
            "topic": place.topic,
            "partition": place.partition,
            "topic_id": key.topic_id,
            "log_start": starts[place],
            "checkpoint": found[key],
            "log_end": ends[place],
        }
        for place, key in sorted(keys.items())
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table(*rows[0], box=None) if rows else Table(box=None)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


@app.command("skip")
def skip(topic: Topic, partition: Partition) -> None:
    """Go on at the log's start where retention removed messages before they were landed: they are lost."""
    settings = Settings()
    require_choice(settings, "kafka")
    place = TopicPartition(topic, partition)
    low, high = _log(settings, place)
    moved = skip_lost(_bronze(settings), place, _topic_id(settings, topic), low, high)
    given_up = counted(moved.skipped, "message")
    typer.echo(f"{place}: {given_up} given up, history goes on at offset {moved.now}")


@app.command("restore")
def restore(topic: Topic, partition: Partition) -> None:
    """Set a checkpoint that is gone behind the last row that bronze has."""
    settings = Settings()
    require_choice(settings, "kafka")
    place = TopicPartition(topic, partition)
    moved = restore_missing(_bronze(settings), place, _topic_id(settings, topic))
    typer.echo(f"{place}: history goes on at offset {moved.now}")
    if moved.begins_at is not None:
        typer.echo(
            f"{place}: history is taken to begin at offset {moved.begins_at}, its first row; "
            "the audit misses nothing before it"
        )


@app.command("resume")
def go_on(topic: Topic, partition: Partition) -> None:
    """Go on where a log once ended before the checkpoint, after the broker's data was restored.

    The last row is compared with Kafka first.
    """
    settings = Settings()
    require_choice(settings, "kafka")
    place = TopicPartition(topic, partition)
    low, high = _log(settings, place)
    with PartitionReader(settings.kafka) as reader:
        moved = resume(_bronze(settings), place, _topic_id(settings, topic), reader, low, high)
    typer.echo(f"{place}: Kafka has what was landed last; history goes on at offset {moved.now}")


@app.command("renew")
def renew(topic: Topic) -> None:
    """Begin anew with a topic that was deleted and made again on the embedded broker, which does not tell.

    All sinks read it from its start, under a new identity. Kafka tells such a topic by its id.
    """
    settings = Settings()
    require_choice(settings, "kafka")
    ends = Offsets(settings.kafka).ends([topic])
    if settings.kafka.incarnation_file is None:
        problem = "Kafka's topic id tells when it is made anew; there is nothing to do by hand"
        raise NothingToRepair(next(iter(ends)), problem)
    renew_life(settings.kafka.incarnation_file, topic)
    waiting = counted(sum(ends.values()), "message")
    typer.echo(
        f"{topic} begins anew: its {waiting} are read again under identity {_topic_id(settings, topic)}"
    )


@app.command("reroute")
def go_on_routing(
    topic: Topic,
    partition: Partition,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Route everything in the log, though some of it was before.")
    ] = False,
) -> None:
    """Go on with routes at the end of a log that went back behind what it had routed.

    Routes must not run meanwhile. What was appended since the log went back is not routed.
    """
    settings = Settings()
    require_choice(settings, "kafka")
    place = TopicPartition(topic, partition)
    low, high = _log(settings, place)
    moved = reroute(Offsets(settings.kafka), place, low, high, is_at_start=from_start)
    typer.echo(f"{place}: routes goes on at offset {moved.now}, it was at {moved.before}")


def _log(settings: Settings, place: TopicPartition) -> tuple[int, int]:
    offsets = Offsets(settings.kafka)
    starts, ends = offsets.starts([place.topic]), offsets.ends([place.topic])
    if place not in starts:
        raise NothingToRepair(place, f"the topic has partitions 0 to {len(starts) - 1}")
    return starts[place], ends[place]


def _bronze(settings: Settings) -> Bronze:
    return Bronze(wait_ready(settings.lake))


def _topic_id(settings: Settings, topic: str) -> str:
    return TopicIdentities(settings.kafka).read([topic])[topic]
