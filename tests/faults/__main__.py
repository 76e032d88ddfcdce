"""Runs the fault suite: `python -m tests.faults [CASE ...]`; without names, every case.

Each line of JSON that it writes is one case. --render draws docs/faults.md from such a file.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.faults.case import CASES, Case, run_case
from tests.faults.report import describe, render

ROOT = Path(__file__).parents[2]
CODE = ("broker", "contracts", "fleetlake", "infra/local", "ingest", "lake", "simulate", "tests/faults")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="cases or patterns; default: all")
    parser.add_argument("--list", action="store_true", help="the cases and their promises, and nothing else")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="messages, as a multiple of the usual number"
    )
    parser.add_argument("--json", type=Path, help="where to write the results, one line a case")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep what held in --json at this scale with this very code, and run the others",
    )
    parser.add_argument("--render", type=Path, help="write the results as Markdown, too")
    parser.add_argument("--keep", type=Path, help="keep each case's folder below this one")
    arguments = parser.parse_args()
    load_cases()
    patterns = arguments.names or ["*"]
    chosen = {name: case for name, case in CASES.items() if any(fnmatch(name, p) for p in patterns)}
    if not chosen:
        parser.error(f"no case is named {', '.join(arguments.names)}")
    if arguments.list:
        for name, case in chosen.items():
            print(f"{name}\n    {case.promise}")
        return 0
    earlier = _earlier(arguments.json)
    about = {"scale": arguments.scale, "code": code_digest()}
    held = {name: line for name, line in earlier.items() if line["ok"] and about.items() <= line.items()}
    results: list[dict[str, Any]] = []
    for number, (name, case) in enumerate(chosen.items(), 1):
        print(f"[{number}/{len(chosen)}] {name}: {case.promise}", flush=True)
        if arguments.resume and name in held:
            results.append(held[name])
            print("    held before", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="fleetlake-fault-") as temporary:
            folder = (arguments.keep or Path(temporary)) / name
            line = {"name": name, **run_case(case, folder, arguments.scale), **about}
        results.append(line)
        print(describe(line), flush=True)
        _write(arguments.json, earlier | {line["name"]: line for line in results})
    if arguments.render is not None:
        arguments.render.write_text(render(results))
    failed = [line["name"] for line in results if not line["ok"]]
    print(f"{len(results) - len(failed)} of {len(results)} cases hold", *(f"NOT OK: {n}" for n in failed))
    return 1 if failed else 0


def load_cases() -> Mapping[str, Case]:
    """All cases by name: every module beside this one in cases/ registers its own."""
    for path in sorted((Path(__file__).parent / "cases").glob("*.py")):
        import_module(f"tests.faults.cases.{path.stem}")
    return CASES


def code_digest() -> str:
    """Of the files that a case's outcome may depend on, as they are now."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(file for each in CODE for file in (ROOT / each).rglob("*") if file.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _earlier(path: Path | None) -> dict[str, dict[str, Any]]:
    """What earlier runs have written, by name."""
    if path is None or not path.exists():
        return {}
    lines = map(json.loads, path.read_text().splitlines())
    return {line["name"]: line for line in lines}


def _write(path: Path | None, lines: Mapping[str, dict[str, Any]]) -> None:
    """After every case: a run that is ended early leaves what it found, and what others did."""
    if path is None:
        return
    draft = path.with_suffix(".draft")
    draft.write_text("".join(json.dumps(line) + "\n" for line in lines.values()))
    os.replace(draft, path)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # servers and sinks are ended
    sys.exit(main())
