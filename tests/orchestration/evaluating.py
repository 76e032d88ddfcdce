"""Checks evaluated by Dagster, in this process."""

import warnings
from collections.abc import Mapping

import dagster as dg

from orchestration.materialize import QUIET


def evaluate(
    code: dg.Definitions,
    dagster: dg.DagsterInstance,
    *checks: tuple[dg.AssetKey, str],
    tags: Mapping[str, str] | None = None,
) -> list[dg.AssetCheckEvaluation]:
    """What each check found, in a run of their own."""
    selected = {dg.AssetCheckKey(*check) for check in checks}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        everything = code.resolve_implicit_global_asset_job_def()
        job = everything.get_subset(asset_selection=set(), asset_check_selection=selected)
    done = job.execute_in_process(instance=dagster, run_config=QUIET, tags=dict(tags or {}))
    return list(done.get_asset_check_evaluations())


def lines_of(found: dg.AssetCheckEvaluation) -> list[dict[str, str]]:
    """The rows that a check names, as they are shown."""
    rows = found.metadata.get("rows")
    if rows is None:
        return []
    header, _, *lines = [
        line.removeprefix("| ").removesuffix(" |").split(" | ") for line in str(rows.value).splitlines()
    ]
    return [dict(zip(header, line, strict=True)) for line in lines]
