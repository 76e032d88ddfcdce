"""Sinks that ended although nobody asked them to, and whether that is their way to go on."""

from tests.faults.rig.site import Site

RECOVERABLE = 1
"""A sink's exit code where a restart goes on by itself: Kafka may fence whose coordinator was lost."""


def restarted(site: Site) -> dict[str, int]:
    """For the facts of a case: how often."""
    count = sum(codes.count(RECOVERABLE) for codes in site.sinks.unasked().values())
    return {"sinks restarted": count} if count else {}


def ended_otherwise(site: Site) -> tuple[str, ...]:
    """What no restart repairs breaks the promise."""
    wrong = {sink: codes for sink, codes in site.sinks.unasked().items() if set(codes) != {RECOVERABLE}}
    return (f"sinks ended: {wrong}",) if wrong else ()
