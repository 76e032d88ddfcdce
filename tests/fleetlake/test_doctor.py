"""What doctor finds, in a world where one thing at a time is wrong."""

import json
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from broker.topics import Difference, TopicReport, Topics, TopicSpec, specs_from
from contracts.load import load_registry
from fleetlake import cli
from fleetlake.doctor.examine import examine
from fleetlake.doctor.findings import Finding, Verdict, run_check
from fleetlake.doctor.kafka_checks import TIME_OF_ARRIVAL, judge_topics
from fleetlake.doctor.store_checks import check_lake
from fleetlake.stack.server import free_port
from lake.settings import LakeSettings, MongoSettings, S3Settings
from lake.storage import wait_ready
from tests.faults.proxy import Faults
from tests.faults.s3 import faulty


@pytest.fixture
def healthy(
    tmp_path: Path,
    kafka_settings: KafkaSettings,
    mongo_settings: MongoSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real servers with all topics, set explicitly."""
    monkeypatch.setenv("FLEETLAKE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", kafka_settings.bootstrap_servers)
    monkeypatch.setenv("FLEETLAKE_MONGO__URI", mongo_settings.uri)
    monkeypatch.setenv("FLEETLAKE_MONGO__DATABASE", mongo_settings.database)
    settings = kafka_settings.model_copy(update={"group_prefix": "fleetlake"})
    Topics(settings).create(specs_from(load_registry(), settings))


def wrong(findings: list[Finding]) -> list[str]:
    """The checks that failed."""
    return sorted({finding.check for finding in findings if finding.verdict is Verdict.WRONG})


@pytest.mark.usefixtures("healthy")
def test_nothing_is_wrong_where_everything_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, in words and as JSON."""
    assert cli.run(["doctor"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert cli.run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("variable", "value", "check"),
    [
        ("FLEETLAKE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:{port}", "kafka"),
        ("FLEETLAKE_MONGO__URI", "mongodb://127.0.0.1:{port}", "mongo"),
        ("FLEETLAKE_LAKE__URI", "{file}/lake", "lake"),
        ("FLEETLAKE_CONTRACTS", '["{file}"]', "settings"),
        ("FLEETLAKE_KAFKA__SESSION_TIMEOUT_MS", "soon", "settings"),
    ],
)
def test_one_broken_thing_is_named_and_does_not_hide_the_others(
    variable: str, value: str, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; each finding says what to do."""
    file = tmp_path / "file.yml"
    file.write_text("not: a contract")
    monkeypatch.setenv(variable, value.format(port=free_port(), file=file))
    diagnosis = examine()
    assert not diagnosis.ok
    assert check in wrong(list(diagnosis.findings))
    assert wrong(list(diagnosis.findings)) in ([check], ["kafka", "settings"])
    assert all(finding.action for finding in diagnosis.findings if finding.verdict is Verdict.WRONG)
    assert cli.run(["doctor", "--json"]) == 1


def test_missing_topics_are_wrong_and_different_ones_are_noted() -> None:
    """The time of arrival is named by what it means."""
    spec = TopicSpec("a", 3)
    reports = [
        TopicReport(spec, None, ()),
        TopicReport(spec, 3, (Difference("a", TIME_OF_ARRIVAL, "LogAppendTime", "CreateTime", True),)),
        TopicReport(spec, 1, (Difference("a", "partitions", "3", "1", True),)),
    ]
    findings = list(judge_topics(reports))
    assert [finding.verdict for finding in findings] == [Verdict.WRONG, Verdict.NOTE, Verdict.NOTE]
    assert "producers' clocks" in findings[1].fact
    assert findings[2].action is not None
    assert "--replace" in findings[2].action


def test_a_store_without_conditional_puts_is_wrong(s3_endpoint: str) -> None:
    """It can be written and read, and would lose rows all the same."""
    s3 = S3Settings(endpoint_url=s3_endpoint, access_key_id="test", secret_access_key="test")  # noqa: S106
    settings = LakeSettings(uri="s3://lake-to-examine/fleet", s3=s3)
    wait_ready(settings)
    with faulty(settings) as lake:
        assert wrong(list(check_lake(lake.settings))) == []
        lake.proxy.set(Faults(forget="if-none-match"))
        (finding,) = check_lake(lake.settings)
    assert finding.verdict is Verdict.WRONG
    assert "If-None-Match" in finding.fact


def test_a_check_that_fails_is_a_finding() -> None:
    """Whatever it was."""

    def broken() -> list[Finding]:
        raise ZeroDivisionError

    (finding,) = run_check("odd", broken)
    assert (finding.check, finding.verdict) == ("odd", Verdict.WRONG)
