"""Values beyond the catalog's thresholds: made on purpose, and recognised wherever they occur."""

from collections.abc import Sequence
from random import Random

from contracts.catalog import Threshold
from simulate.channels import Channel, Value
from simulate.reporters import Observation

BEYOND = 0.002
"""At least this share of the limit behind it, so that rounding does not bring a value back."""
FURTHEST = 0.2


def crosses(threshold: Threshold, value: Value) -> bool:
    """Whether the value is an anomaly of this kind."""
    if isinstance(value, str):
        return False
    match threshold.op:
        case ">":
            return value > threshold.limit
        case ">=":
            return value >= threshold.limit
        case "<":
            return value < threshold.limit
        case "<=":
            return value <= threshold.limit


def kinds(seen: Observation) -> tuple[str, ...]:
    """The anomalies in an observation; none in most, which is found out quickly."""
    found: tuple[str, ...] = ()
    for channel, value in seen:
        if isinstance(value, str) or channel.calm_above < value < channel.calm_below:
            continue
        for threshold in channel.thresholds:
            if crosses(threshold, value):
                found = (*found, threshold.kind)
    return found


def with_anomaly(seen: Observation, channels: Sequence[Channel], rng: Random, *, alone: bool) -> Observation:
    """The observation with one signal beyond one of its thresholds; `alone` where a message holds one signal.
    Unchanged where no threshold can be crossed."""
    choices = [(channel, threshold) for channel in channels for threshold in channel.thresholds]
    if not choices:
        return seen
    channel, threshold = rng.choice(choices)
    value = _beyond(channel, threshold, rng)
    if value is None:
        return seen
    others = [] if alone else [(other, old) for other, old in seen if other is not channel]
    return (
        [*others, (channel, value)] if alone or len(others) == len(seen) else _replaced(seen, channel, value)
    )


def _replaced(seen: Observation, channel: Channel, value: Value) -> Observation:
    return [(other, value if other is channel else old) for other, old in seen]


def _beyond(channel: Channel, threshold: Threshold, rng: Random) -> Value | None:
    """A value that crosses the threshold and is still possible; None where there is none."""
    margin = abs(threshold.limit) * BEYOND + 0.05
    reach = abs(threshold.limit) * FURTHEST + 5.0
    if threshold.op.startswith(">"):
        low, high = threshold.limit + margin, min(channel.high, threshold.limit + reach)
    else:
        low, high = max(channel.low, threshold.limit - reach), threshold.limit - margin
    if low > high:
        return None
    value = round(rng.uniform(low, high), channel.decimals)
    return value if crosses(threshold, value) and channel.low <= value <= channel.high else None
