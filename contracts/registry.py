"""All contracts of a process: which one speaks for a topic, and the decoder that applies it."""

from collections.abc import Mapping

from contracts.catalog import Catalog
from contracts.limits import DEFAULT_LIMITS, Limits
from contracts.model import Contract


class Registry:
    """The catalog and every contract, by name and by topic."""

    def __init__(
        self, catalog: Catalog, contracts: Mapping[str, Contract], limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.catalog = catalog
        self.contracts = dict(contracts)
        self.limits = limits
        self._by_topic = {
            topic: contract for contract in self.contracts.values() for topic in contract.topics
        }

    def for_topic(self, topic: str) -> Contract | None:
        """The contract whose messages the topic carries."""
        return self._by_topic.get(topic)

    def topics(self) -> list[str]:
        """Source topics of all contracts."""
        return list(self._by_topic)
