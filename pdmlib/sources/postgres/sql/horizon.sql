-- What holds vacuum back, in seconds where a time is known, and how near the counters are to wrapping, in percent.
-- One row each. Source: pg_stat_activity, pg_prepared_xacts, pg_database.
SELECT 'holder' AS kind, 'pid ' || pid AS object,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS value,
       concat_ws(', ', usename, nullif(application_name, ''), state) || ' holds the oldest snapshot' AS evidence
FROM pg_stat_activity
WHERE backend_xmin IS NOT NULL AND xact_start IS NOT NULL AND backend_type = 'client backend'
UNION ALL
SELECT 'holder', 'prepared transaction ' || gid, extract(epoch FROM clock_timestamp() - prepared)::float8,
       'prepared by ' || owner || ' and never ended'
FROM pg_prepared_xacts
UNION ALL
SELECT 'wraparound', datname::text, (100.0 * greatest(age(datfrozenxid), mxid_age(datminmxid)) / 2147483648)::float8,
       greatest(age(datfrozenxid), mxid_age(datminmxid)) || ' transactions old'
FROM pg_database WHERE datallowconn
ORDER BY 1, 3 DESC, 2
LIMIT 100
