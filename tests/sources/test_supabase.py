"""Supabase: a scrape read line by line, and the project's state."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.database import health
from pdmlib.analysis.integrations import operational
from pdmlib.errors import SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer as Source
from pdmlib.frames.readings import Measurement, State
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.sources import supabase, threads
from pdmlib.sources.supabase import host_values
from tests.builders import DEPLOYED, a_scope, a_site, at
from tests.sources.loopback import Call, Reply, routed, the_scope, the_site, vendor

SCRAPE = """\
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{service_type="db",cpu="0",mode="idle"} 812345.1
node_cpu_seconds_total{service_type="db",cpu="0",mode="user"} 21044.9
node_cpu_seconds_total{service_type="db",cpu="1",mode="idle"} 812101.5
node_cpu_seconds_total{service_type="db",cpu="1",mode="user"} 21301.5
node_memory_MemTotal_bytes{service_type="db"} 1.023311872e+09
node_memory_MemAvailable_bytes{service_type="db"} 431000000.0
node_filesystem_size_bytes{mountpoint="/"} 1.0213466112e+10
node_filesystem_size_bytes{mountpoint="/data"} 8.350298112e+09
node_filesystem_avail_bytes{mountpoint="/"} 6.1e+09
node_filesystem_avail_bytes{mountpoint="/data"} 5.9612e+09
pg_up{service_type="postgresql"} 1
pg_stat_database_num_backends{service_type="postgresql"} 26
connection_stats_connection_count{username="authenticator"} 18
connection_stats_connection_count{username="supabase_admin"} 6
connection_stats_connection_count{username="other"} 3
max_connections_connection_count{service_type="postgresql"} 60
# TYPE go_goroutines gauge
go_goroutines{service_type="db"} 9
# TYPE go_goroutines gauge
go_goroutines{service_type="postgresql"} 17
pgbouncer_pools_client_waiting_connections{database="postgres",user="authenticator"} 4
pgbouncer_pools_client_waiting_connections{database="postgres",user="postgres"} 3
pg_stat_statements_total_queries{service_type="postgresql"} NaN
supavisor_connections_active{ref="x",mode="transaction",ref="x"} 4
this is {not a line
"""
PROJECT = "/v1/projects/ref"
SERVICES = [
    {"name": "db", "status": "ACTIVE_HEALTHY"},
    {"name": "pooler", "status": "UNHEALTHY", "error": "timeout"},
]
DISK = {"metrics": {"fs_size_bytes": 1000, "fs_used_bytes": 400}}
LOGS = f"{PROJECT}/analytics/endpoints/logs"
KEPT = {"result": [{"id": "1", "timestamp": "2025-03-03T15:00:00.000000"}], "error": None}


def logs(*refused: dict[str, Any]) -> Any:
    """The endpoint of logs: lines of refused connections, and one other line where all are asked for."""
    return lambda call: {"result": list(refused)} if "53300" in call.one("sql") else KEPT


ROUTES: dict[str, Any] = {
    LOGS: logs(),
    "/metrics": Reply(SCRAPE, headers={"Content-Type": "text/plain"}),
    PROJECT: {"status": "ACTIVE_HEALTHY"},
    f"{PROJECT}/health": SERVICES,
    f"{PROJECT}/config/disk/util": DISK,
}


def read(text: str) -> dict[str, float]:
    return host_values(text, Unclear("supabase"))


def collected(routes: dict[str, Any]) -> Collection:
    with vendor(routed(routes)) as server:
        block = {"metrics_url": f"{server.url}/metrics", "management_url": server.url, "project_ref": "ref"}
        return Collection(supabase.collect(the_site("supabase", **block), the_scope()))


def test_a_scrape_gives_the_hosts_numbers() -> None:
    """1 - 431000000/1023311872 is 57.88 %; 8350298112 - 5961200000 used of /data is 28.61 %; 18+6+3 of 60."""
    values = read(SCRAPE)
    assert values["memory_pct"] == pytest.approx(57.88, abs=0.005)
    assert 100 * values["disk_used_bytes"] / values["disk_size_bytes"] == pytest.approx(28.61, abs=0.005)
    assert (values["connections"], values["max_connections"]) == (27, 60)
    assert values["cpu_idle_s"] == pytest.approx(1_624_446.6)
    assert values["cpu_all_s"] == pytest.approx(1_666_793.0)
    assert (values["pooler_waiting"], values["db_up"]) == (7, 1)


def test_what_a_scrape_does_not_hold_or_holds_as_nan_is_missing_and_not_zero() -> None:
    assert {"queries_total", "db_size_bytes"} & read(SCRAPE).keys() == set()


@pytest.mark.parametrize("text", ["", "<html>Maintenance</html>", "# only comments\n", "\x00\x01{"])
def test_a_page_that_is_no_scrape_has_no_values(text: str) -> None:
    assert read(text) == {}


def operational_of(found: Collection) -> Measurement:
    scope = the_scope()
    whole = Collection(found.frames, (Coverage("supabase", Source.OK, 1, 0.1),))
    return operational.integration(Case(a_site(), scope, whole, scope.window), "supabase")


WELL_SERVICES = [{"name": "db", "status": "ACTIVE_HEALTHY"}]


@pytest.mark.parametrize(
    ("routes", "value", "words"),
    [
        ({}, "OPERATIONAL", ""),
        ({PROJECT: {"status": "UNKNOWN"}}, None, "service project is UNKNOWN"),
        ({f"{PROJECT}/health": []}, None, "its health does not tell of the database"),
        ({PROJECT: Reply({"message": "Unauthorized"}, 401)}, None, "project not read: 401: Unauthorized"),
        ({"/metrics": Reply(SCRAPE.replace('"postgresql"} 1', '"postgresql"} 0'))}, "ISSUES", "metrics is down"),
    ],
)
def test_supabase_is_operational_by_what_it_says_and_never_by_silence(
    routes: dict[str, Any], value: str | None, words: str
) -> None:
    """The states of the Management API's openapi; a pg_up of 0: the exporter cannot reach the database."""
    found = operational_of(collected({**ROUTES, f"{PROJECT}/health": WELL_SERVICES, **routes}))
    assert found.value == value
    assert words in str(found.reason)


def test_the_sample_and_the_states_are_told() -> None:
    found = collected(ROUTES)
    states = found["vendor_states"].set_index("item")
    assert states["ok"].to_dict() == {"project": True, "db": True, "pooler": False}
    assert states.loc["pooler", "detail"] == "timeout"
    assert set(states["kind"]) == {"service"}
    assert (found["host_metrics"]["at"] < the_scope().as_of).all()
    assert found["gaps"].empty


def test_the_hosts_own_disk_comes_before_that_of_the_management_api() -> None:
    values = collected(ROUTES)["host_metrics"].set_index("metric")["value"]
    assert values["disk_size_bytes"] == 8_350_298_112
    without = collected({**ROUTES, "/metrics": Reply("", 401)})["host_metrics"].set_index("metric")["value"]
    assert without["disk_size_bytes"] == 1000


def test_one_api_that_refuses_leaves_the_other() -> None:
    found = collected({**ROUTES, "/metrics": Reply({"message": "Unauthorized"}, 401)})
    assert found.gap("supabase", "host_metrics") == ("error", "401: Unauthorized")
    assert len(found["vendor_states"]) == 3


def test_both_credentials_are_sent_to_their_own_api_only() -> None:
    seen: list[tuple[str, str]] = []

    def answer(call: Call) -> Reply:
        seen.append((call.path, call.headers["Authorization"].split()[0]))
        return routed(ROUTES)(call)

    with vendor(answer) as server:
        block = {"metrics_url": f"{server.url}/metrics", "management_url": server.url, "project_ref": "ref"}
        supabase.collect(the_site("supabase", **block), the_scope())
    assert {kind for path, kind in seen if path == "/metrics"} == {"Basic"}
    assert {kind for path, kind in seen if path != "/metrics"} == {"Bearer"}


def test_garbage_everywhere_is_a_source_that_could_not_be_read() -> None:
    page = "<html>Maintenance</html>"
    with pytest.raises(SourceError, match="not JSON"):
        collected(dict.fromkeys(ROUTES, page))


def not_understood(found: Collection) -> dict[str, tuple[str, str]]:
    table = found["not_understood"]
    return {row["item"]: (row["what"], row["example"]) for row in table.to_dict("records")}


def scraped(before: str, after: str) -> Collection:
    assert before in SCRAPE
    return collected({**ROUTES, "/metrics": Reply(SCRAPE.replace(before, after))})


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "-5", "1e30", "9" * 400])
def test_a_number_that_cannot_be_costs_its_own_line(value: str) -> None:
    """`+Inf` is legal in Prometheus' text format, and no number of connections."""
    found = scraped('connection_count{service_type="postgresql"} 60', f'connection_count{{a="b"}} {value}')
    values = found["host_metrics"].set_index("metric")["value"]
    assert "max_connections" not in values.index
    assert values["connections"] == 27
    assert values.between(0, 1e15).all()
    what, _ = not_understood(found)["metrics.max_connections_connection_count"]
    assert what in ("out of range", "not a number")


def test_a_sum_of_which_one_line_is_not_understood_is_unknown() -> None:
    """Idle seconds of one of two processors are half of the idle seconds, which would read as a busy host."""
    found = scraped('cpu="1",mode="idle"} 812101.5', 'cpu="1",mode="idle"} +Inf')
    assert set(found["host_metrics"]["metric"]) & {"cpu_idle_s", "cpu_all_s"} == set()
    assert "memory_pct" in set(found["host_metrics"]["metric"])


@pytest.mark.parametrize("line", ["pg_up{service_type=", "pg_up", "pg_up one", "pg_up\x00"])
def test_a_line_that_is_none_is_told_and_the_others_are_read(line: str) -> None:
    found = scraped('pg_up{service_type="postgresql"} 1', line)
    assert "db_up" not in set(found["host_metrics"]["metric"])
    assert not_understood(found)["metrics.pg_up"][0] == "not a line of metrics"
    assert "memory_pct" in set(found["host_metrics"]["metric"])


def test_a_nan_is_the_exporters_own_word_for_nothing_known() -> None:
    found = scraped('pg_up{service_type="postgresql"} 1', 'pg_up{service_type="postgresql"} NaN')
    assert "db_up" not in set(found["host_metrics"]["metric"])
    assert not_understood(found) == {}


@pytest.mark.parametrize(
    ("status", "ok"), [("ACTIVE_HEALTHY", True), ("active_healthy", True), ("PAUSING", False), ("UNKNOWN", None)]
)
def test_a_state_of_the_project_is_well_ill_or_unknown_by_the_vendors_own_words(
    status: str, ok: bool | None
) -> None:
    states = collected({**ROUTES, PROJECT: {"status": status}})["vendor_states"].set_index("item")
    assert pd.isna(states.loc["project", "ok"]) if ok is None else states.loc["project", "ok"] == ok


def test_a_state_of_the_next_version_is_neither_well_nor_ill() -> None:
    services = [{"name": "db", "status": "HIBERNATING"}, {"name": "pooler", "status": None}]
    found = collected({**ROUTES, PROJECT: {"status": "MIGRATING"}, f"{PROJECT}/health": services})
    assert found["vendor_states"]["ok"].isna().all()
    assert set(found["vendor_states"]["item"]) == {"db", "pooler"}
    said = not_understood(found)
    assert said["project.status"] == ("unknown word", "MIGRATING")
    assert said["services.status"][0] in ("unknown word", "missing")


def test_a_disk_that_is_told_as_text_or_not_at_all_is_no_disk() -> None:
    other = {
        **ROUTES,
        "/metrics": Reply("", 401),
        f"{PROJECT}/config/disk/util": {"metrics": {"fs_size_bytes": "?"}},
    }
    found = collected(other)
    assert found["host_metrics"].empty
    assert set(not_understood(found)) == {"disk.fs_size_bytes", "disk.fs_used_bytes"}


def test_gauges_of_now_are_not_read_for_a_report_of_the_past() -> None:
    with vendor(routed(ROUTES)) as server:
        block = {"metrics_url": f"{server.url}/metrics", "management_url": server.url, "project_ref": "ref"}
        real = {"organization": "shop", "project": "web"}
        site = a_site(sources={"supabase": block, "sentry": real}, secrets=the_site("supabase", **block).secrets)
        found = Collection(supabase.collect(site, the_scope()))
        assert {call.path for call in server.calls} == {LOGS}  # which knows the past
    assert found.gap("supabase", "live") is not None


def refused(logs: Any) -> Measurement:
    return measured(a_site(), the_scope(), collected({**ROUTES, LOGS: logs}).frames)


def measured(site: Site, scope: Scope, frames: threads.Frames) -> Measurement:
    collection = Collection(frames, (Coverage("supabase", Source.OK, 1, 0.1),))
    case = Case(site, scope, collection, scope.window)
    return next(m for m in health.METRICS if m.id == "db_connections_refused").measure(case)


def test_connections_that_the_server_refused_are_counted_by_its_log() -> None:
    """By SQLSTATE 53300, whatever the language of the log.

    Two lines lie in the window and the third is a day too old; the fourth is of its end, which the endpoint
    includes.
    """
    asked: list[Call] = []

    def answer(call: Call) -> Any:
        asked.append(call)
        times = ("2025-03-03T16:00:00.5", "2025-03-04T14:59:59", "2025-03-02T16:00:00", "2025-03-04T15:00:00")
        return {"result": [{"id": t, "timestamp": t} for t in times]}

    found = refused(answer)
    assert found.value == 2
    assert found.evidence == "the last at Tue 4 Mar 08:59 CST"
    assert {call.one("iso_timestamp_start") for call in asked} == {"2025-03-03T15:00:00Z"}
    assert {call.one("iso_timestamp_end") for call in asked} == {"2025-03-04T15:00:00Z"}
    assert len(asked) == 2
    assert all("where source = 'postgres_logs'" in call.one("sql") for call in asked)
    assert "log_attributes['parsed.sql_state_code'] = '53300'" in asked[1].one("sql")


def test_a_day_of_which_no_line_is_kept_is_no_zero() -> None:
    assert refused(logs()).value == 0
    lost = refused({"result": [], "error": None})
    assert lost.value is None
    assert lost.reason == "the server's log of Mon 3 Mar is empty, or no longer kept"


@pytest.mark.parametrize(("up", "status"), [("1", "up"), ("0", "down")])
def test_a_supabase_hosted_by_oneself_is_known_by_its_metrics_alone(up: str, status: str) -> None:
    """No project, token or log: what the platform's API would tell is asked for nowhere and is no gap."""
    scrape = SCRAPE.replace('pg_up{service_type="postgresql"} 1', f'pg_up{{service_type="postgresql"}} {up}')
    with vendor(routed({"/metrics": Reply(scrape)})) as server:
        site = the_site("supabase", metrics_url=f"{server.url}/metrics", management_token_env=None)
        found = Collection(supabase.collect(site, the_scope()))
        assert {call.path for call in server.calls} == {"/metrics"}
    assert found["gaps"].empty
    (row,) = found["vendor_states"].query("kind == 'service'").to_dict("records")
    assert (row["item"], row["status"], row["ok"]) == ("db", status, up == "1")
    lost = measured(site, the_scope(), found.frames)
    assert lost.reason == "Supabase is hosted by yourself: no API tells the server's log"


def test_a_log_that_cannot_answer_says_so_in_a_200_and_is_no_zero() -> None:
    lost = refused({"error": 'Field "source_name" does not exist.'})
    assert lost.value is None
    assert lost.reason == 'the server\'s log cannot be asked: Field "source_name" does not exist.'


def test_a_window_of_more_days_than_the_log_takes_calls_in_a_minute_is_not_asked_for() -> None:
    """Ten calls a minute: a month of days is refused after the tenth, whatever is waited."""
    with vendor(routed(ROUTES)) as server:
        site = the_site(
            "supabase", metrics_url=f"{server.url}/metrics", management_url=server.url, project_ref="ref"
        )
        month = a_scope(phase="month1", deployed_at=DEPLOYED, as_of=at("2025-04-02T15:00"))
        found = measured(site, month, supabase.collect(site, month))
    assert not server.asked(LOGS)
    assert (found.state, found.reason) == (
        State.NO_DATA,
        "the server's log takes 10 calls a minute, too few for 30 days",
    )


def test_a_key_that_may_not_read_the_log_says_so_and_loses_nothing_else() -> None:
    found = refused(Reply({"message": "Forbidden"}, 403))
    assert (found.state, found.reason) == (State.NO_DATA, "the key may not read the server's log")
    assert collected({**ROUTES, LOGS: Reply({}, 403)})["gaps"].empty


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("form", [int, str])
def test_a_time_of_the_log_may_be_a_number(unit: int, form: Callable[[int], Any]) -> None:
    """Microseconds by the reference of the older dialect; its DateTime64 of the newer one is any of these."""
    found = refused(logs({"id": "1", "timestamp": form(1741017600 * unit)}))  # 2025-03-03T16:00:00Z
    assert (found.value, found.evidence) == (1, "the last at Mon 3 Mar 10:00 CST")


@pytest.mark.parametrize("moment", [1741017, True, "yesterday", [1741017600], float("nan"), 10**30])
def test_a_line_whose_time_is_not_understood_is_no_zero(moment: Any) -> None:
    assert refused(logs({"id": "1", "timestamp": moment})).state is State.NOT_UNDERSTOOD


def test_more_connections_than_may_be_open_are_a_mistake_unless_they_are_few() -> None:
    """PostgreSQL counts senders of a replication apart from `max_connections`, so that 61 of 60 may be open."""
    few, many = (
        SCRAPE.replace('authenticator"} 18', 'authenticator"} 52'),
        SCRAPE.replace('postgresql"} 60', 'postgresql"} 1'),
    )
    assert read(few)["connections"] == 61
    unclear = Unclear("supabase")
    assert not {"connections", "max_connections"} & host_values(many, unclear).keys()
    assert unclear.frames()["not_understood"]["item"].tolist() == ["metrics.max_connections_connection_count"]
