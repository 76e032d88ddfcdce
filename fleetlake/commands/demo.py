"""`fleetlake demo`: the main job on the local stack, from nothing to a proof."""

from typing import Annotated

import typer


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
    step: Annotated[bool, typer.Option("--step", help="Explain each stage, and wait for Enter.")] = False,
) -> None:
    """Start the stack, replay both use cases and four real drives, simulate five systems with bad input,
    and compare what came of it with what was sent."""
    from fleetlake.demo.run import run_demo

    raise typer.Exit(run_demo(keep=keep, steps=step))
