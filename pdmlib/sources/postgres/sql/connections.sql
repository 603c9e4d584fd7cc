-- Client connections and the slots they may use: one row. Source: pg_stat_activity, pg_stat_database, pg_settings.
SELECT count(*) FILTER (WHERE backend_type = 'client backend') AS clients,
       count(*) FILTER (WHERE query = '<insufficient privilege>') AS hidden,
       (SELECT sum(numbackends)::float8 FROM pg_stat_database) AS backends,
       (SELECT sum(CASE WHEN name = 'max_connections' THEN setting::int ELSE -setting::int END)::int FROM pg_settings
        WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')) AS usable,
       top.holder, top.holds
FROM pg_stat_activity
LEFT JOIN (
  SELECT usename::text AS holder, count(*) AS holds FROM pg_stat_activity
  WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1
) AS top ON true
GROUP BY top.holder, top.holds
ORDER BY 1
