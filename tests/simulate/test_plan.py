"""From a request to what each source does."""

from dataclasses import replace

import pytest

from contracts.load import load_registry
from simulate.errors import BadRequest, UnknownSource
from simulate.plan import Request, Shares, plan

NOW_US = 1_785_000_000_000_000
REGISTRY = load_registry()


def a_request(**changes: object) -> Request:
    return replace(Request(sources=("tcu",), present_us=NOW_US), **changes)  # type: ignore[arg-type]


def test_real_time_begins_now_and_passes_as_the_clock_does() -> None:
    """A rate without an interval is a live fleet."""
    live = plan(a_request(rate=50.0, vehicles=100), REGISTRY)
    assert live.start_us == NOW_US
    assert live.pace == pytest.approx(1.0)
    assert live.sources[0].interval_s == pytest.approx(2.0 * 1.01)


def test_an_interval_and_a_rate_make_time_pass_faster() -> None:
    """100 vehicles once a minute at 1,000/s: a simulated second takes a six-hundredth of a second."""
    fast = plan(a_request(rate=1000.0, interval_s=60.0, vehicles=100, count=10_000), REGISTRY)
    assert fast.pace == pytest.approx(100 / 60 / 1000, rel=0.02)
    assert fast.start_us < NOW_US - 60_000_000 * 100


def test_as_fast_as_it_goes_ends_in_the_present() -> None:
    """A duration at rate 0 is simulated time and lies before now."""
    assert plan(a_request(rate=0.0, duration_s=3600.0), REGISTRY).start_us == NOW_US - 3_600_000_000


def test_weights_divide_rate_and_count() -> None:
    """`all` names every source; a weight given later wins; quotas add up to the count."""
    made = plan(a_request(sources=("all", "tcu=3"), rate=1000.0, count=1001), REGISTRY)
    quotas = {source.contract.name: source.quota or 0 for source in made.sources}
    intervals = {source.contract.name: source.interval_s for source in made.sources}
    assert set(quotas) == set(REGISTRY.contracts)
    assert sum(quotas.values()) == 1001
    assert quotas["tcu"] in (300, 301)
    assert intervals["car"] == pytest.approx(3 * intervals["tcu"])


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"vehicles": 0}, "--vehicles"),
        ({"sensors": 0}, "--sensors"),
        ({"rate": -1.0}, "--rate"),
        ({"rate": 0.0}, "--rate"),
        ({"count": 0}, "--count"),
        ({"duration_s": -5.0}, "--duration"),
        ({"interval_s": 0.0}, "--interval"),
        ({"first_vehicle": -1}, "--first-vehicle"),
        ({"start_us": NOW_US + 1}, "--start"),
        ({"sources": ("tcu=x",)}, "--source"),
        ({"sources": ("tcu=0",)}, "--source"),
        ({"shares": Shares(late=1.5)}, "--late"),
        ({"shares": Shares(late=0.6, invalid=0.6)}, "--shares"),
    ],
)
def test_what_cannot_be_met_is_refused_with_its_option(changes: dict[str, object], option: str) -> None:
    """One sentence that begins with the option."""
    with pytest.raises(BadRequest, match=option):
        plan(a_request(**changes), REGISTRY)


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    """The message lists what there is."""
    with pytest.raises(UnknownSource, match="environment"):
        plan(a_request(sources=("cars",)), REGISTRY)
