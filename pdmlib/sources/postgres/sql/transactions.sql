-- Transactions of clients of this database that wait for their next statement: one row each, oldest first. age_s: seconds since it began.
-- Source: pg_stat_activity.
SELECT pid, usename::text AS role, application_name AS application, state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state LIKE 'idle in transaction%' AND datname = current_database() AND xact_start IS NOT NULL AND application_name NOT LIKE 'pdm/%'
ORDER BY age_s DESC, pid
LIMIT 100
