-- Counters and gauges of this database: one row each (metric, value). Times are epoch seconds.
-- Source: pg_stat_database whatever its version's columns, pg_settings, pg_stat_bgwriter.
SELECT 'pg_stat_database' AS origin, key AS metric,
       CASE WHEN key = 'stats_reset' THEN extract(epoch FROM d.stats_reset)::float8 ELSE (value #>> '{}')::float8 END AS value
FROM pg_stat_database AS d, jsonb_each(to_jsonb(d) - 'datname' - 'datid')
WHERE d.datname = current_database() AND (key = 'stats_reset' OR jsonb_typeof(value) = 'number')
UNION ALL
SELECT 'setting', name, setting::float8 FROM pg_settings
WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections', 'pg_stat_statements.max')
UNION ALL
SELECT 'server', 'backends', sum(numbackends)::float8 FROM pg_stat_database
UNION ALL
SELECT 'server', 'client_backends', count(*)::float8 FROM pg_stat_activity WHERE backend_type = 'client backend'
UNION ALL
SELECT 'server', 'in_flight_ms',
       coalesce(1000 * sum(extract(epoch FROM clock_timestamp() - query_start)), 0)::float8
FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
UNION ALL
SELECT 'server', 'started_at', extract(epoch FROM pg_postmaster_start_time())::float8
UNION ALL
SELECT 'server', 'server_stats_reset', extract(epoch FROM stats_reset)::float8 FROM pg_stat_bgwriter
UNION ALL
SELECT 'server', 'db_size_bytes', pg_database_size(current_database())::float8
ORDER BY 1, 2
