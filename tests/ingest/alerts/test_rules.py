"""Files of rules: what is wrong is said with file, line and what to do."""

from pathlib import Path

import pytest

from contracts.errors import ContractError
from contracts.load import load_registry
from ingest.alerts.changes import Change, summary
from ingest.alerts.load import load_rules
from ingest.alerts.spans import SECOND_US, span_text
from tests.ingest.alerts.fact_strategies import rule

EXAMPLE = Path(__file__).parents[3] / "infra" / "alerts" / "rules.example.yml"
REGISTRY = load_registry()


def problem(tmp_path: Path, text: str) -> ContractError:
    """What is said of a file."""
    file = tmp_path / "rules.yml"
    file.write_text(text)
    with pytest.raises(ContractError) as raised:
        load_rules(file, REGISTRY)
    return raised.value


def test_the_example_can_be_used_and_has_every_kind() -> None:
    """As it is shipped."""
    rules = load_rules(EXAMPLE, REGISTRY)
    kinds = {type(each.condition).__name__ for each in rules.rules}
    assert kinds == {"Threshold", "Missing", "Geofence", "BatteryLow", "Anomalies"}
    assert rules.settle_us == 2 * SECOND_US
    assert rules.webhooks["alertmanager"].format == "alertmanager"


ONE = "rules:\n  - name: one\n    summary: text\n"
SPEED = "signal: speed, op: '>', value"
HOOK = "rules:\n  - {name: a, summary: b, missing: {for: 1m}}\n"
AREA = "    geofence:\n      on: enter\n"
WRONG: dict[str, tuple[str, int, str, str]] = {
    "no kind": (ONE, 2, "has one of threshold, missing", ""),
    "two kinds": (
        f"{ONE}    missing: {{for: 1m}}\n    battery_low: {{below: 5}}\n",
        2,
        "missing and battery_low",
        "",
    ),
    "misspelt key": (f"{ONE}    treshold: {{}}\n", 4, "unknown key", "threshold"),
    "misspelt key inside": (f"{ONE}    missing:\n      four: 1m\n", 5, "unknown key", "for"),
    "no signal": (
        f"{ONE}    threshold:\n      signal: sped\n      op: '>'\n      value: 1\n",
        5,
        "no signal sped",
        "speed",
    ),
    "no such missing signal": (
        f"{ONE}    missing: {{signal: latitud, for: 1m}}\n",
        4,
        "no signal latitud",
        "latitude",
    ),
    "wrong op": (f"{ONE}    threshold: {{signal: speed, op: '=', value: 1}}\n", 4, "'>'", ""),
    "text by size": (f"{ONE}    threshold: {{signal: gear, op: '>', value: P}}\n", 4, "gear is a text", "=="),
    "number as text": (f"{ONE}    threshold: {{{SPEED}: fast}}\n", 4, "speed is a number", "give a number"),
    "clear on the wrong side": (
        f"{ONE}    threshold: {{{SPEED}: 10, clear: 20}}\n",
        4,
        "clear 20 is above value 10",
        "",
    ),
    "no duration": (f"{ONE}    missing: {{for: 5 minutes}}\n", 4, "no duration", ""),
    "a number as duration": (f"{ONE}    missing: {{for: 300}}\n", 4, "no duration", ""),
    "no anomaly": (
        f"{ONE}    anomalies: {{kind: overspeeding, count: 2, window: 1m}}\n",
        4,
        "no anomaly overspeeding",
        "overspeed",
    ),
    "no webhook": (f"{ONE}    missing: {{for: 1m}}\n    webhooks: [ops]\n", 5, "no webhook ops", ""),
    "no placeholder": (
        "rules:\n  - name: one\n    summary: '{who}'\n    missing: {for: 1m}\n",
        3,
        "{who} is nothing to fill in",
        "",
    ),
    "no area": (f"{ONE}    geofence: {{on: enter}}\n", 4, "give a circle or a polygon", ""),
    "one corner": (
        f"{ONE}{AREA}      polygon:\n        corners:\n          - {{latitude: 1, longitude: 2}}\n",
        6,
        "three corners",
        "",
    ),
    "latitude beyond the pole": (
        f"{ONE}{AREA}      circle:\n        latitude: 91\n        longitude: 2\n        radius_m: 5\n",
        7,
        "less than or equal to 90",
        "",
    ),
    "no address": (f"webhooks:\n  ops:\n    url: ftp://x\n{HOOK}", 3, "no http or https", ""),
    "a password in the address": (
        f"webhooks:\n  ops:\n    url: http://me:secret@x/\n{HOOK}",
        3,
        "no place for secrets",
        "",
    ),
    "a name twice": (f"{HOOK}{HOOK.removeprefix('rules:')[1:]}", 3, "taken by a rule above", ""),
    "no rules": ("settle: 1s\n", 1, "missing", "add it"),
    "an empty list": ("rules: []\n", 1, "no rule", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    """Of each kind of mistake one, and a hint where there is one."""
    text, line, said, hint = WRONG[name]
    error = problem(tmp_path, text)
    assert error.line == line
    assert said in error.problem
    assert hint in error.hint
    assert str(error).startswith(f"{tmp_path / 'rules.yml'}:{line}: ")


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    """In the order of the lines."""
    error = problem(
        tmp_path,
        "rules:\n"
        "  - {name: a, summary: b, threshold: {signal: sped, op: '>', value: 1}}\n"
        "  - {name: b, summary: b, threshold: {signal: soc, op: '>', value: x}}\n",
    )
    assert [each.line for each in (error, *error.also)] == [2, 3]


def test_a_rule_is_for_the_vehicles_that_it_names() -> None:
    """All, without a name; by pattern, or by fleet."""
    everybody = rule("a", missing={"for": "1m"})
    assert everybody.is_about("x", None)
    some = rule("a", missing={"for": "1m"}, vehicles=("CAR_*", "x?"), fleets=("trucks",))
    assert [some.is_about(*each) for each in (("CAR_1", None), ("x1", "cars"), ("y", "trucks"))] == [True] * 3
    assert not some.is_about("y", None)
    assert not some.is_about("car_1", "cars")


def test_a_summary_is_filled_in_once() -> None:
    """What a vehicle is called is text, also where it looks like something to fill in."""
    fast = rule("fast", threshold={"signal": "speed", "op": ">", "value": 1}).model_copy(
        update={"summary": "{vehicle}: {value} km/h, {severity}, {rule}, {time}"}
    )
    change = Change("opened", "fast", 1_000_000, 1_000_000, 142.50)
    text = summary(fast, "{value}", change)
    assert text == "{value}: 142.5 km/h, warning, fast, 1970-01-01T00:00:01.000Z"


@pytest.mark.parametrize(
    ("span", "text"),
    [(0, "0s"), (1_500_000, "1.5s"), (300 * SECOND_US, "5m"), (7 * 86_400 * SECOND_US, "7d")],
)
def test_durations_are_shown_as_they_are_written(span: int, text: str) -> None:
    """In the largest unit that fits."""
    assert span_text(span) == text
