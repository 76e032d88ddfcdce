"""What cures what an audit has found, where something does. A kind that is not listed here has nothing that
undoes it: what is lost is lost, and what somebody changed is theirs to explain."""

from collections.abc import Iterable

REBUILD = (
    "`fleetlake state rebuild` computes the state anew from the history and from Kafka; sinks may run on"
)
RESTORE = "`fleetlake checkpoint restore TOPIC PARTITION` sets the checkpoint behind the last row"
LAND_AGAIN = (
    "let history run: it lands again what Kafka still has. If it stays, two deployments share "
    "FLEETLAKE_KAFKA__GROUP_PREFIX on this Kafka and each lake gets a part: give each a prefix of its own, "
    "and let only one of them run routes"
)

CURES = {
    "state_differs": REBUILD,
    "state_missing": REBUILD,
    "state_unreadable": REBUILD,
    "state_without_history": REBUILD,
    "checkpoint_missing": RESTORE,
    "bronze_went_back": LAND_AGAIN,
}
"""By kind of problem."""


def cures_of(kinds: Iterable[str]) -> dict[str, str]:
    """The cures of those kinds that have one."""
    return {kind: CURES[kind] for kind in kinds if kind in CURES}
