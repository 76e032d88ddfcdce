"""The marts do not tell how the messages came: in random order, twice and late they are what the same
messages make in order and once, in every column but those that describe the delivery."""

import random
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import write_deltalake

from contracts.load import load_registry
from lake.bronze import open_or_create
from lake.settings import LakeSettings
from lake.silver import Lane
from lake.storage import wait_ready
from tests.transforms.contents import differences, what_happened
from tests.transforms.fleet_day import DAYS, Delivery, Topics, messages
from transforms.build import Marts, build
from transforms.increment import increment
from transforms.load import load_models
from transforms.plan import plan
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
LATE_SHARE = 0.01
GENEROUS = TransformSettings(parked_least_s=3600, battery_least_soc=5)
"""So that two days of busy vehicles make rows of every mart."""


def in_random_order(sent: Sequence[Delivery], rng: random.Random) -> list[Delivery]:
    """Each twice, when all have happened, one of a hundred a day later still."""
    twice = [*sent, *sent]
    rng.shuffle(twice)
    late = timedelta(days=1)
    return [
        Delivery(each.kafka_time + DAYS + late * (rng.random() < LATE_SHARE), each.parcel) for each in twice
    ]


def cut(deliveries: Sequence[Delivery], parts: int) -> list[Sequence[Delivery]]:
    return [deliveries[part::parts] for part in range(parts)]


def lake_of(folder: Path, commits: Iterable[Sequence[Delivery]]) -> Marts:
    """Silver and the marts are brought up to date after every commit."""
    marts = Marts(LakeSettings(uri=str(folder)), MODELS, reference(load_registry()), GENEROUS)
    bronze, topics = open_or_create(wait_ready(marts.lake)), Topics()
    for commit in commits:
        for rows in topics.landed(commit):
            write_deltalake(
                bronze, rows.select([field.name for field in bronze.schema().fields]), mode="append"
            )
        for lane in Lane:
            increment(marts.lake, MODELS["silver.signals"], lane)
        for table, partitions in plan(marts).items():
            build(marts, MODELS[table], partitions)
    return marts


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_order_copies_and_delay_do_not_change_the_marts(tmp_path: Path) -> None:
    """All sources, broken messages among them."""
    sent = messages(vehicles=2, interval_s=120.0)
    in_order = lake_of(tmp_path / "in_order", [sent])
    shuffled = in_random_order(sent, random.Random(7))  # noqa: S311 - the same order in every run
    mixed = lake_of(tmp_path / "mixed", cut(shuffled, 3))
    assert len(what_happened(in_order.lake, MODELS["silver.signals"])) > len(sent)
    for model in MODELS.values():
        expected, found = what_happened(in_order.lake, model), what_happened(mixed.lake, model)
        assert expected, model.name
        assert differences(expected, found)[:3] == [], model.name
