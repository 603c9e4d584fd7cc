-- What lowers the trust in pg_stat_statements: one row a fact, `bad` says whether. Our own session switches tracking
-- off, so the value it would be reset to counts. Source: pg_settings, pg_extension.
SELECT 'pg_stat_statements.track' AS object, reset_val = 'none' AS bad, 'warn' AS severity,
       'statements are not tracked' AS evidence, 'Set pg_stat_statements.track to top' AS action
FROM pg_settings WHERE name = 'pg_stat_statements.track'
UNION ALL
SELECT 'compute_query_id', setting = 'off', 'warn', 'statements get no id', 'Set compute_query_id to auto'
FROM pg_settings WHERE name = 'compute_query_id'
UNION ALL
SELECT 'pg_stat_statements.track_planning', setting = 'off', 'info', 'planning is not measured, only execution', NULL
FROM pg_settings WHERE name = 'pg_stat_statements.track_planning'
UNION ALL
SELECT 'extension version', e.extversion <> a.default_version, 'info',
       'version ' || e.extversion || ' is installed, ' || a.default_version || ' is there',
       'ALTER EXTENSION pg_stat_statements UPDATE;'
FROM pg_extension AS e JOIN pg_available_extensions AS a ON a.name = e.extname
WHERE e.extname = 'pg_stat_statements'
ORDER BY 1
