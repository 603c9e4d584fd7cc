"""What goes wrong in a demo production: one plan of facts, changed a little by each scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pdmlib.errors import CallError, one_of

DEPLOYED = datetime(2025, 3, 3, 15, tzinfo=UTC)
VENDORS = ("app", "sentry", "vercel", "supabase", "stripe", "twilio", "resend")
# Behaviours of a vendor whose answers vary: by its specification, and as its next version may.
ALLOWED, LATER = "allowed", "later"


@dataclass(frozen=True)
class Spell:
    """A stretch of time in which something holds with a certain strength, of one item or of all ("")."""

    start: datetime
    end: datetime
    amount: float = 1.0
    item: str = ""


@dataclass(frozen=True)
class Plan:
    """The facts of a run; the defaults are a healthy production.

    Attributes:
        outages: most requests fail and probes find the application down.
        error_bursts: `amount` is the share of requests answered with a 5xx.
        slowdowns: `amount` multiplies durations of the route `item`, or of all.
        surges: `amount` multiplies traffic; below 1 it drops.
        probe_gaps: nothing was written to `uptime_logs`.
        silent_jobs, failing_jobs, hung_jobs: cron jobs by name.
        late_jobs: cron jobs by name; `amount` is the minutes by which they start late.
        idle_features: nothing happens in the feature.
        undelivered_sms, bounced_emails, failed_payments: `amount` is the share that fails.
        busy_host: `amount` is the CPU load.
        behaviours: vendor -> what its API does instead of answering.
    """

    outages: tuple[Spell, ...] = ()
    error_bursts: tuple[Spell, ...] = ()
    slowdowns: tuple[Spell, ...] = ()
    surges: tuple[Spell, ...] = ()
    probe_gaps: tuple[Spell, ...] = ()
    silent_jobs: tuple[Spell, ...] = ()
    failing_jobs: tuple[Spell, ...] = ()
    hung_jobs: tuple[Spell, ...] = ()
    late_jobs: tuple[Spell, ...] = ()
    idle_features: tuple[Spell, ...] = ()
    undelivered_sms: tuple[Spell, ...] = ()
    bounced_emails: tuple[Spell, ...] = ()
    failed_payments: tuple[Spell, ...] = ()
    busy_host: tuple[Spell, ...] = ()
    webhook_disabled_at: datetime | None = None
    index_dropped: bool = False
    hostile_issue: bool = False
    stale_client: bool = False
    everyday_failures: bool = False
    failed_deployment: bool = False
    bundle_kb: int = 187
    monitor_bypasses_rls: bool = True
    app_down: bool = False
    database_down: bool = False
    database_listens: bool = True
    observability_plus: bool = True
    behaviours: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> Plan:
        """The part that is seen in stored data; runs with equal facts share one prepared database."""
        return replace(
            self,
            behaviours={},
            app_down=False,
            database_down=False,
            database_listens=True,
            observability_plus=True,
        )


Change = Callable[[Plan, datetime], Plan]


@dataclass(frozen=True)
class Scenario:
    """A named change of facts; `change` gets the plan so far and the clock."""

    name: str
    description: str
    change: Change


END = DEPLOYED + timedelta(days=40)


def _day(number: int, hour: int = 6, minute: int = 0) -> datetime:
    """A moment of the n-th local day from the deployment day (1), in UTC hours and minutes."""
    return DEPLOYED.replace(hour=hour, minute=minute) + timedelta(days=number - 1)


def _recent(clock: datetime, hours: float, amount: float = 1.0, item: str = "") -> tuple[Spell, ...]:
    return (Spell(clock - timedelta(hours=hours), clock, amount, item),)


def _since(start: datetime, amount: float = 1.0, item: str = "") -> tuple[Spell, ...]:
    return (Spell(start, END, amount, item),)


def _rough(plan: Plan, clock: datetime) -> Plan:
    return replace(
        plan,
        outages=(*plan.outages, Spell(_day(2, 19, 10), _day(2, 19, 33))),
        slowdowns=plan.slowdowns + _since(DEPLOYED, 4, "/api/opportunities"),
        index_dropped=True,
        silent_jobs=plan.silent_jobs + _since(_day(4, 0), item="process-referrals"),
        idle_features=plan.idle_features + _since(_day(3), item="loyalty_redemptions"),
        undelivered_sms=plan.undelivered_sms + _since(_day(5), 0.15),
        webhook_disabled_at=_day(3, 16),
        hostile_issue=True,
        everyday_failures=True,
        probe_gaps=(*plan.probe_gaps, Spell(_day(6, 8), _day(6, 10))),
    )


def _errors(share: float) -> Change:
    return lambda plan, clock: replace(plan, error_bursts=plan.error_bursts + _recent(clock, 30, share))


def _behave(behaviour: str, *vendors: str) -> Change:
    return lambda plan, clock: replace(plan, behaviours={**plan.behaviours, **dict.fromkeys(vendors, behaviour)})


def _app_down(plan: Plan, clock: datetime) -> Plan:
    return replace(plan, outages=plan.outages + _recent(clock, 40 / 60), app_down=True)


def _database_down(plan: Plan, clock: datetime) -> Plan:
    return replace(plan, database_down=True, database_listens=False)


def _all_down(plan: Plan, clock: datetime) -> Plan:
    return replace(_behave("down", *VENDORS)(plan, clock), database_listens=False)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("healthy", "Nothing is wrong.", lambda plan, clock: plan),
    Scenario(
        "rough",
        "An outage of 23 minutes, a slow route after a lost index, a cron job that stopped, an abandoned "
        "feature, undelivered text messages, a disabled webhook, a hostile new error, a gap in monitoring.",
        _rough,
    ),
    Scenario("error_rate_6", "6 % of requests fail for the last 30 hours.", _errors(0.06)),
    Scenario("error_rate_3", "3 % of requests fail for the last 30 hours.", _errors(0.03)),
    Scenario("database_down", "The database refuses connections.", _database_down),
    Scenario("app_down", "The application is down for the last 40 minutes.", _app_down),
    Scenario(
        "payments_failing",
        "Almost half of the charges of the last day fail with errors of the API.",
        lambda plan, clock: replace(plan, failed_payments=plan.failed_payments + _recent(clock, 24, 0.45)),
    ),
    Scenario(
        "slow_everything",
        "Every route is four times slower since the deployment.",
        lambda plan, clock: replace(plan, slowdowns=plan.slowdowns + _since(DEPLOYED, 4)),
    ),
    Scenario(
        "cron_failing",
        "The job send-review-requests fails since day 6.",
        lambda plan, clock: replace(
            plan, failing_jobs=plan.failing_jobs + _since(_day(6, 0), item="send-review-requests")
        ),
    ),
    Scenario(
        "cron_hung",
        "The job process-promotion-deliveries starts and never ends for the last six hours.",
        lambda plan, clock: replace(
            plan, hung_jobs=plan.hung_jobs + _recent(clock, 6, item="process-promotion-deliveries")
        ),
    ),
    Scenario(
        "email_bounces",
        "12 % of the emails of the last two days bounce.",
        lambda plan, clock: replace(plan, bounced_emails=plan.bounced_emails + _recent(clock, 48, 0.12)),
    ),
    Scenario(
        "traffic_spike",
        "Twelve times the traffic in the last day.",
        lambda plan, clock: replace(plan, surges=plan.surges + _recent(clock, 24, 12)),
    ),
    Scenario(
        "deploy_error",
        "A production deployment failed to build 20 minutes after the judged one.",
        lambda plan, clock: replace(plan, failed_deployment=True),
    ),
    Scenario(
        "bundle_grown",
        "The shared bundle grew to 340 kB.",
        lambda plan, clock: replace(plan, bundle_kb=340),
    ),
    Scenario(
        "cpu_high",
        "The database host runs at 90 % CPU for the last two days.",
        lambda plan, clock: replace(plan, busy_host=plan.busy_host + _recent(clock, 48, 0.9)),
    ),
    Scenario(
        "feature_broken",
        "Opportunities are created and none is converted since the deployment.",
        lambda plan, clock: replace(
            plan, idle_features=plan.idle_features + _since(DEPLOYED, item="opportunity_conversions")
        ),
    ),
    Scenario(
        "stale_client",
        "Browsers that still run the previous release cannot load its files.",
        lambda plan, clock: replace(plan, stale_client=True),
    ),
    Scenario(
        "rls_hides_cron",
        "The monitoring role has no BYPASSRLS and a policy for every table but cron_job_logs.",
        lambda plan, clock: replace(plan, monitor_bypasses_rls=False),
    ),
    Scenario(
        "no_plus",
        "Vercel's metrics need a paid add-on that the team does not have.",
        lambda plan, clock: replace(plan, observability_plus=False),
    ),
    *(
        Scenario(f"{vendor}_down", f"The API of {vendor} answers 503.", _behave("down", vendor))
        for vendor in VENDORS
        if vendor != "app"
    ),
    Scenario(
        "postgres_down",
        "The database cannot be reached from here; the application can.",
        lambda plan, clock: replace(plan, database_listens=False),
    ),
    Scenario("all_down", "No source answers.", _all_down),
    Scenario("sentry_401", "Sentry does not know the token.", _behave("unauthorized", "sentry")),
    Scenario("vercel_403", "Vercel's token may not read the project.", _behave("forbidden", "vercel")),
    Scenario("stripe_429", "Stripe always answers 429.", _behave("limited", "stripe")),
    Scenario("twilio_429_once", "Twilio's first answer is 429.", _behave("limited_once", "twilio")),
    Scenario("resend_timeout", "Resend accepts calls and never answers.", _behave("silent", "resend")),
    Scenario("sentry_silent", "Sentry answers with nothing in it.", _behave("empty", "sentry")),
    Scenario(
        "vendors_allowed",
        "Vendors answer all that their specifications allow: each word, null, empty lists, further fields.",
        _behave(ALLOWED, *VENDORS[1:]),
    ),
    Scenario(
        "vendors_later",
        "Vendors answer in a version that nobody knows yet: new words, and values of other types.",
        _behave(LATER, *VENDORS[1:]),
    ),
    Scenario("supabase_garbage", "Supabase's metrics are an HTML page.", _behave("garbage", "supabase")),
)


def plan_of(scenario: str, clock: datetime) -> Plan:
    """The plan of a scenario, or of several joined with `+`, as seen from a clock.

    Raises:
        CallError: an unknown scenario.
    """
    known = {s.name: s for s in SCENARIOS}
    plan = Plan()
    for name in scenario.split("+"):
        if name not in known:
            raise CallError(one_of(name, known, "a scenario"))
        plan = known[name].change(plan, clock)
    return plan
