"""Calls of the client library that who made them may leave behind: it cannot be interrupted, and some of them
do not keep to a time or do not come back at all."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def aside(call: Callable[[], T], name: str) -> Future[T]:
    """The answer of `call`, which runs on a thread of its own that keeps no process from ending."""
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except BaseException as failure:  # noqa: BLE001 - raised by who asks for the result
            answer.set_exception(failure)

    threading.Thread(target=work, name=name, daemon=True).start()
    return answer
