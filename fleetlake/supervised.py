"""How a process ends that a supervisor may have started: with its supervisor, and not without its reason."""

from collections.abc import Iterator
from contextlib import contextmanager

from fleetlake.failures import OperatorMustAct
from fleetlake.settings import BadSettings
from fleetlake.stack.lifeline import ChildEnd, stop_myself


@contextmanager
def ending_with_reason(*, supervised: bool) -> Iterator[None]:
    """Runs the block; what ends it is told to the supervisor, if there is one, and raised again: as
    OperatorMustAct where another start would not help. Without its supervisor a supervised process stops."""
    line = ChildEnd() if supervised else None
    if line is not None:
        line.watch(stop_myself)
    try:
        yield
    except Exception as error:
        if line is not None:
            line.say(f"{type(error).__name__}: {error}")
        if needs_operator(error):
            raise OperatorMustAct(error) from error
        raise


def needs_operator(error: Exception) -> bool:
    """Whether starting the process again cannot help until somebody changed something."""
    from broker import errors as broker
    from contracts.errors import ContractError
    from ingest.errors import OperatorNeeded
    from lake import errors as lake

    return isinstance(
        error,
        OperatorNeeded
        | ContractError
        | BadSettings
        | lake.Terminal
        | broker.AuthenticationFailed
        | broker.AuthorizationFailed
        | broker.IdentityUnknown
        | broker.ReservedOption,
    )
