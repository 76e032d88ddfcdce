"""Whether the gateway can do its work now: Kafka answers, and has the topics of all sources."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from broker.admin import Admin
from broker.errors import BrokerError, Transient
from broker.settings import KafkaSettings

ANSWER_SECONDS = 2.0


def readiness(
    kafka: KafkaSettings, topics: Sequence[str]
) -> Callable[[], Awaitable[Mapping[str, str | None]]]:
    """Asks the broker at each call, in a thread: `{"kafka": None}`, or what is wrong."""
    admin = Admin(kafka, ANSWER_SECONDS)

    def trouble() -> str | None:
        try:
            _, missing = admin.describe(topics)
        except BrokerError as error:
            return "it does not answer" if isinstance(error, Transient) else "it refuses this user"
        return f"it has no topic {', '.join(missing)}: run `fleetlake topics create`" if missing else None

    async def ready() -> Mapping[str, str | None]:
        return {"kafka": await asyncio.to_thread(trouble)}

    return ready
