"""Areas: their borders, the antimeridian, and what is no position."""

import pytest
from pydantic import ValidationError

from ingest.alerts.areas import Circle, Polygon, Position, distance_m


def polygon(*corners: tuple[float, float]) -> Polygon:
    """(latitude, longitude) of each corner."""
    return Polygon.model_validate({"corners": [{"latitude": y, "longitude": x} for y, x in corners]})


SQUARE = polygon((0, 0), (0, 10), (10, 10), (10, 0))
FIJI = polygon((-20, 175), (-10, 175), (-10, -175), (-20, -175))
HORSESHOE = polygon((0, 0), (0, 30), (30, 30), (30, 20), (10, 20), (10, 10), (30, 10), (30, 0))


@pytest.mark.parametrize("place", [(5, 5), (0, 0), (0, 5), (10, 10), (10, 3.3), (7.7, 0), (2.5, 10)])
def test_the_border_belongs_to_a_polygon(place: tuple[float, float]) -> None:
    """Corners, edges and what is between."""
    assert SQUARE.holds(Position(*place))


@pytest.mark.parametrize("place", [(-0.001, 5), (5, 10.001), (10.001, 10), (0, -0.001), (5, 190), (-90, 0)])
def test_what_is_outside_is_outside(place: tuple[float, float]) -> None:
    """Just beyond an edge, and on the other side of the earth."""
    assert not SQUARE.holds(Position(*place))


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        ((-15, 180), True),
        ((-15, -180), True),
        ((-15, 179.9), True),
        ((-15, -179.9), True),
        ((-15, 175), True),
        ((-15, -175), True),
        ((-15, 174.9), False),
        ((-15, -174.9), False),
        ((-15, 0), False),
        ((-25, 180), False),
    ],
)
def test_an_area_across_the_antimeridian_is_one(place: tuple[float, float], inside: bool) -> None:
    """Whichever way its longitude is counted."""
    assert FIJI.holds(Position(*place)) == inside


@pytest.mark.parametrize(
    ("place", "inside"), [((20, 5), True), ((20, 15), False), ((20, 25), True), ((5, 15), True)]
)
def test_a_polygon_may_be_hollow(place: tuple[float, float], inside: bool) -> None:
    """Between the ends of a horseshoe is outside."""
    assert HORSESHOE.holds(Position(*place)) == inside


def test_a_ring_around_a_pole_is_refused() -> None:
    """Nobody knows which side is meant."""
    with pytest.raises(ValidationError, match="around a pole"):
        polygon((80, 0), (80, 120), (80, -120))


def test_a_circle_is_measured_along_the_ground() -> None:
    """A degree of latitude is 111.2 km everywhere, one of longitude less the further north."""
    assert distance_m(Position(0, 0), Position(1, 0)) == pytest.approx(111_195, rel=1e-4)
    assert distance_m(Position(60, 0), Position(60, 1)) == pytest.approx(55_597, rel=1e-3)
    assert distance_m(Position(0, 179.5), Position(0, -179.5)) == pytest.approx(111_195, rel=1e-4)


def test_the_border_belongs_to_a_circle() -> None:
    """And nothing beyond; also over the antimeridian and at a pole."""
    radius = distance_m(Position(0, 180), Position(0, -179))
    circle = Circle(latitude=0, longitude=180, radius_m=radius)
    assert circle.holds(Position(0, -179))
    assert not circle.holds(Position(0, -178.999))
    assert Circle(latitude=89.9, longitude=0, radius_m=25_000).holds(Position(89.9, 180))


def test_nothing_is_where_the_receiver_has_no_fix() -> None:
    """(0, 0) is no position, and its neighbours are."""
    assert not Position(0, 0).is_known
    assert not Position(-0.0, 0.0).is_known
    assert Position(0, 1e-6).is_known
