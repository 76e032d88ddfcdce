"""The topics of the local stack: there before anything reads or writes them."""

from collections.abc import Sequence

from fleetlake.settings import Settings


def prepare_topics(settings: Settings, *, is_renewed: bool) -> Sequence[str]:
    del settings, is_renewed
    return []
