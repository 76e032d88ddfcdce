"""What can go wrong between a client and a server, and how often each of it did: a test insists on the
counts, so that no case passes because its fault never happened."""

import re
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from random import Random
from typing import Literal


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of a connection until they are set anew. Shares are of the requests that match.

    The same seed gives the n-th matching request the same fate. Without HTTP a piece of the client's stream
    counts as a request; `fail_share` means nothing there, and `matching` is left empty.
    """

    delay_s: float = 0.0
    """Each request waits this long before it is forwarded."""
    fail_share: float = 0.0
    fail_when: Literal["before", "after", "denied"] = "before"
    """Answered 503 SlowDown and not forwarded, or answered 500 after the server has done it, or answered 403
    AccessDenied and not forwarded."""
    cut_share: float = 0.0
    cut_at: Literal["request", "answer", "either"] = "either"
    """In the middle of whose body the connection is cut; without one a request has only an answer to cut."""
    refuse: bool = False
    """No new connections; the existing ones are closed."""
    freeze: bool = False
    """Nothing passes, in no direction; connections stay open, and new ones are taken."""
    forget: str = ""
    """A header, in lower case, that the server never gets to see; none by default."""
    matching: str = ""
    """A regular expression found in `METHOD /path?query`; all requests by default."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each fault has happened since the proxy began."""

    requests: int = 0
    delayed: int = 0
    failed: int = 0
    cut: int = 0
    lost: int = 0
    forgotten: int = 0
    frozen: int = 0
    closed: int = 0
    """Connections closed because of `refuse`."""


class Fate(Enum):
    """What becomes of one request."""

    PASSES = auto()
    FAILS_BEFORE = auto()
    FAILS_AFTER = auto()
    IS_DENIED = auto()
    CUT_IN_REQUEST = auto()
    CUT_IN_ANSWER = auto()


@dataclass
class _Loss:
    matching: re.Pattern[str]
    times: int


@dataclass
class Plan:
    """Decides the fate of each request. Belongs to the proxy's thread alone."""

    faults: Faults = Faults()
    counts: Counts = Counts()
    _random: Random = field(default_factory=Random)
    _matching: re.Pattern[str] = field(default_factory=lambda: re.compile(""))
    _losses: list[_Loss] = field(default_factory=list)

    def set(self, faults: Faults) -> None:
        """From now on these faults and no others."""
        self.faults = faults
        self._random = Random(faults.seed)
        self._matching = re.compile(faults.matching)

    def lose(self, matching: str, times: int) -> None:
        """The next `times` successful answers to matching requests are thrown away."""
        self._losses.append(_Loss(re.compile(matching), times))

    def forget_losses(self) -> None:
        self._losses.clear()

    def count(self, **more: int) -> None:
        """Adds to the counts by name."""
        self.counts = replace(
            self.counts, **{name: getattr(self.counts, name) + number for name, number in more.items()}
        )

    def matches(self, request: str) -> bool:
        """Whether the faults of now mean this request."""
        return self._matching.search(request) is not None

    def freezes(self, request: str) -> bool:
        """Whether nothing of this request may pass now."""
        return self.faults.freeze and self.matches(request)

    def fate(self, request: str, has_body: bool) -> Fate:
        """Draws the fate of one request."""
        if not self.matches(request):
            return Fate.PASSES
        fails = self._random.random() < self.faults.fail_share
        is_cut = self._random.random() < self.faults.cut_share
        is_cut_early = self._random.random() < _SHARE_CUT_EARLY[self.faults.cut_at]
        if fails:
            return _FATES[self.faults.fail_when]
        if not is_cut or (self.faults.cut_at == "request" and not has_body):
            return Fate.PASSES
        return Fate.CUT_IN_REQUEST if is_cut_early and has_body else Fate.CUT_IN_ANSWER

    def loses(self, request: str, status: int) -> bool:
        """Whether this answer is thrown away. Only what the server has done can lose its acknowledgement."""
        loss = next((loss for loss in self._losses if loss.matching.search(request)), None)
        if loss is None or not 200 <= status < 300:
            return False
        loss.times -= 1
        if loss.times == 0:
            self._losses.remove(loss)
        return True


_FATES = {"before": Fate.FAILS_BEFORE, "after": Fate.FAILS_AFTER, "denied": Fate.IS_DENIED}
_SHARE_CUT_EARLY = {"request": 1.0, "answer": 0.0, "either": 0.5}
