"""One HTTP request to a webhook, and what its answer means. It ends in time whatever the other side does,
reads little of what comes back, and goes to no address but the one that the rules name: redirects are not
followed, and no proxy of the environment is taken."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Literal, Self

import httpx

READ_BYTES: Final = 4096
"""Of an answer; what it says beyond its status is for the log only."""

SHOWN: Final = 200
LONGEST_ASKED_S: Final = 3600.0
AGAIN: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind`: delivered, again (it may work later), refused (it never will). `after_s` is what was asked."""

    kind: Literal["delivered", "again", "refused"]
    reason: str = ""
    after_s: float | None = None


class Poster:
    """Of one webhook, with connections of its own. Used by one thread."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None

    def post(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        """Sends it; never raises for what the other side does."""
        try:
            return self._runner.run(asyncio.wait_for(self._post(body, headers, now), self._timeout_s))
        except TimeoutError:
            return Answer("again", f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer("again", f"{type(error).__name__} {error}".strip()[:SHOWN])

    def close(self) -> None:
        """Ends the connections."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _post(self, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout_s, follow_redirects=False, trust_env=False, verify=True
            )
        given = {"Content-Type": "application/json", "User-Agent": "fleetlake", **headers}
        async with self._client.stream("POST", self._url, content=body, headers=given) as response:
            if response.is_success:
                return Answer("delivered")
            return answer_of(response.status_code, response.headers, await _beginning(response), now)


def answer_of(status: int, headers: Mapping[str, str], text: str, now: datetime) -> Answer:
    """What an answer that is no success means."""
    reason = f"answered {status} {text}".strip()[:SHOWN]
    if status >= 500 or status in AGAIN:
        return Answer("again", reason, _asked_for(headers.get("retry-after"), now))
    if 300 <= status < 400:
        return Answer("refused", f"answered {status}: redirects are not followed")
    return Answer("refused", reason)


async def _beginning(response: httpx.Response) -> str:
    """A little of the body, unpacked by nobody: a small answer may hold a large one."""
    taken = b""
    async for part in response.aiter_raw():
        taken += part
        if len(taken) >= READ_BYTES:
            break
    text = taken[:READ_BYTES].decode(errors="replace")
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _asked_for(value: str | None, now: datetime) -> float | None:
    """`Retry-After`: seconds, or a date; within reason."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST_ASKED_S)
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, OverflowError):
        return None  # what is no date, and what no calendar has
    return min(max(0.0, seconds), LONGEST_ASKED_S)
