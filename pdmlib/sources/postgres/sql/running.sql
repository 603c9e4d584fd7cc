-- Statements of clients of this database that are not ours and run for over a second: one row each. age_s in seconds.
-- Source: pg_stat_activity.
SELECT pid, usename::text AS role, query, nullif(concat_ws(': ', wait_event_type, wait_event), '') AS wait,
       extract(epoch FROM clock_timestamp() - query_start)::float8 AS age_s
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state = 'active' AND datname = current_database() AND application_name NOT LIKE 'pdm/%'
  AND clock_timestamp() - query_start > interval '1 second'
ORDER BY age_s DESC, pid
LIMIT 100
