"""Alerts processes killed with SIGKILL at each step: every alert opens once, and every webhook is told."""

import json

import pytest

from ingest.steps import AlertStep
from tests.deadlines import eventually
from tests.ingest.alerts.alert_scene import (
    AlertScene,
    all_judged,
    forked,
    rules_of,
    running,
    send_to_all_partitions,
)
from tests.ingest.alerts.conftest import NewScene
from tests.ingest.alerts.hook_server import HookServer

OFTEN = {AlertStep.WRITTEN, AlertStep.TOLD, AlertStep.SENT}
"""The steps that the default run kills at; the slow one has all."""


@pytest.mark.parametrize(
    "step", [step if step in OFTEN else pytest.param(step, marks=pytest.mark.slow) for step in AlertStep]
)
def test_a_kill_at_any_step_loses_no_alert_and_doubles_none(
    scene: AlertScene, hook: HookServer, step: AlertStep
) -> None:
    """Of a process that opens an alert; its successor goes on. What was sent and not recorded is sent again,
    under the same key."""
    scene.send(("v", 1, 142.0), ("w", 1, 80.0))
    with forked(scene, step) as victim:
        victim.dies_at_its_step()
    scene.send(("v", 2, 60.0))
    with running(scene):
        eventually(lambda: scene.outcomes() == [("opened", "delivered"), ("resolved", "delivered")])
    assert scene.states() == [("v", 1, "resolved")]
    told = [(json.loads(got.body)["event"], got.key) for got in hook.got]
    assert len(set(told)) == 2
    assert [event for event, _ in dict.fromkeys(told)] == ["opened", "resolved"]
    if step is AlertStep.SENT:
        assert len(told) == 3


@pytest.mark.slow
@pytest.mark.parametrize("step", [AlertStep.JUDGED, AlertStep.WRITTEN])
def test_one_of_two_processes_is_killed(new_scene: NewScene, hook: HookServer, step: AlertStep) -> None:
    """Every vehicle lies in all partitions: the other process reads the rest, and what was read already."""
    scene = new_scene(rules_of(hook.url, settle="60s"))
    with running(scene), forked(scene, step) as victim:
        eventually(lambda: "partitions_assigned" in victim.log.read_text())
        count = send_to_all_partitions(scene)
        victim.dies_at_its_step()
        expected = all_judged(scene, count)
        eventually(lambda: len(scene.outcomes()) == 2 * len(expected))
        eventually(lambda: {state for _, state in scene.outcomes()} == {"delivered"})


@pytest.mark.slow
@pytest.mark.parametrize("step", [AlertStep.WRITTEN, AlertStep.TOLD, AlertStep.SETTLED])
def test_a_process_is_killed_with_many_alerts_at_once(
    new_scene: NewScene, hook: HookServer, step: AlertStep
) -> None:
    """Half told or not told at all: the next one tells the rest, and nothing under two keys."""
    scene = new_scene(rules_of(hook.url, settle="60s"))
    with forked(scene):
        count = send_to_all_partitions(scene)
        eventually(lambda: sum(scene.committed().values()) == count)
    with forked(scene, step) as victim:
        scene.send(*((f"v{vehicle}", 400, 50.0) for vehicle in range(8)))
        victim.dies_at_its_step()
    with running(scene):
        expected = all_judged(scene, count + 8)
        eventually(lambda: len(scene.outcomes()) == 2 * len(expected))
        eventually(lambda: {state for _, state in scene.outcomes()} == {"delivered"})
    assert len({got.key for got in hook.got}) == 2 * len(expected)
