"""The lake's store breaks: MinIO killed, frozen, slow, failing, cut off, and silent about what it has done.
History waits and repeats; state and routes do not notice."""

from collections.abc import Callable

from tests.faults.case import Outcome, case
from tests.faults.proxy import Faults
from tests.faults.rig.site import Plan, Site, eventually
from tests.faults.rig.trial import Trial, trial
from tests.faults.s3 import COMMIT

GROUP = "Store"
THROUGH_PROXY = Plan(proxied=("store",))
SHORT_SECONDS = 5.0
AWAY_SECONDS = 45.0
FROZEN_SECONDS = 60.0
FAULTY_SECONDS = 40.0
LOSSES = 5
LOSS_SECONDS = 120.0

AGAIN = "and once more with history killed (-9) in the middle of it"
ZERO = "Nothing lost, nothing doubled; state and routes never wait (never more than 20 s behind)"


@case(GROUP, f"MinIO killed (-9) and back after 5 s; killed and away for 45 s; {AGAIN}. {ZERO}")
def minio_killed_and_back(site: Site, scale: float) -> Outcome:
    """History keeps its rows and its place in the group; a successor has to wait for the table."""
    assert site.minio is not None
    with trial(site, scale) as run:
        times = [
            _during(run, site.minio.kill, site.minio.start, seconds, kills_history=kills)
            for seconds, kills in ((SHORT_SECONDS, False), (AWAY_SECONDS, False), (AWAY_SECONDS, True))
        ]
        waited = run.worst("history") > AWAY_SECONDS / 2
        return run.outcome("history", max(times), {"kills of MinIO": 3}, {"history had to wait": waited})


@case(GROUP, f"MinIO frozen (SIGSTOP) for a minute: connections stay, nothing answers; {AGAIN}. {ZERO}")
def minio_frozen(site: Site, scale: float) -> Outcome:
    """What hung may be done when it thaws: late, and, of a killed one, by nobody any more."""
    assert site.minio is not None
    with trial(site, scale) as run:
        times = [
            _during(run, site.minio.freeze, site.minio.thaw, FROZEN_SECONDS, kills_history=kills)
            for kills in (False, True)
        ]
        waited = run.worst("history") > FROZEN_SECONDS / 2
        return run.outcome("history", max(times), {}, {"history had to wait": waited})


@case(
    GROUP,
    f"Every request to the store takes 2 s longer: history goes on, slowly; {AGAIN}. {ZERO}",
    THROUGH_PROXY,
)
def store_slow(site: Site, scale: float) -> Outcome:
    """A commit is a dozen requests, and a start reads all checkpoints at that pace."""
    return _faulty(site, scale, Faults(delay_s=2.0), "delayed")


@case(GROUP, f"10 % of all requests are answered 503 SlowDown, not done; {AGAIN}. {ZERO}", THROUGH_PROXY)
def store_refuses_a_tenth(site: Site, scale: float) -> Outcome:
    """A start is a burst of requests."""
    return _faulty(site, scale, Faults(fail_share=0.1, seed=1), "failed")


@case(GROUP, f"10 % of all requests are done and then answered 500; {AGAIN}. {ZERO}", THROUGH_PROXY)
def store_fails_after_the_deed(site: Site, scale: float) -> Outcome:
    """Commits among them: in the table, and said not to be."""
    return _faulty(site, scale, Faults(fail_share=0.1, fail_when="after", seed=2), "failed")


@case(
    GROUP,
    f"10 % of all connections are cut in the middle of a request or an answer; {AGAIN}. {ZERO}",
    THROUGH_PROXY,
)
def store_cut_off(site: Site, scale: float) -> Outcome:
    """Half a file, half a commit, half a log."""
    return _faulty(site, scale, Faults(cut_share=0.1, seed=3), "cut")


def _faulty(site: Site, scale: float, faults: Faults, count: str) -> Outcome:
    proxy = site.proxies["store"]
    with trial(site, scale) as run:
        times = [
            _during(run, lambda: proxy.set(faults), proxy.heal, FAULTY_SECONDS, kills_history=kills)
            for kills in (False, True)
        ]
        hits, landed = getattr(proxy.counts, count), run.gained("history")
        return run.outcome(
            "history",
            max(times),
            {f"requests {count}": hits, "landed during the faults": f"{landed:,}"},
            {f"ten requests {count}": hits >= 10, "history went on": landed > 0},
        )


def _during(
    run: Trial,
    begin: Callable[[], object],
    end: Callable[[], object],
    seconds: float,
    *,
    kills_history: bool,
) -> float:
    """One fault and the way back; the seconds that took."""
    with run.fault():
        begin()
        run.hold(seconds / 2)
        if kills_history:
            run.kill("history")
        run.hold(seconds / 2)
        end()
    return run.recover("history")


@case(
    GROUP,
    f"The acknowledgement of a commit that has landed is lost, {LOSSES} times: the table is asked, and "
    f"nothing repeated. {LOSSES} times more history is killed (-9) before it can ask. {ZERO}",
    THROUGH_PROXY,
)
def commits_without_an_acknowledgement(site: Site, scale: float) -> Outcome:
    """The connection is closed where the answer should come; all that is left is the table."""
    with trial(site, scale) as run:
        history = run.member("history")
        with run.fault():
            for _ in range(LOSSES):
                _lose_one(run)
            eventually(
                lambda: history.times_said("commit_had_landed") >= LOSSES, LOSS_SECONDS, "the table is asked"
            )
            for _ in range(LOSSES):
                _lose_one(run)
                run.kill("history")
        lost = site.proxies["store"].counts.lost
        return run.outcome(
            "history",
            run.recover("history"),
            {"acknowledgements lost": lost, "kills": LOSSES},
            {"every loss": lost >= 2 * LOSSES},
        )


def _lose_one(run: Trial) -> None:
    proxy = run.site.proxies["store"]
    before = proxy.counts.lost
    proxy.lose_acknowledgement(COMMIT)
    eventually(lambda: proxy.counts.lost > before, LOSS_SECONDS, "a commit's acknowledgement is lost")
