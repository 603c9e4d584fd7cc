-- Tables whose rows the planner does not know: many changed since the last ANALYZE an hour ago or more, or none was ever
-- made. One row each. Autovacuum analyses within minutes after 50 rows and a tenth of the table.
-- Source: pg_stat_user_tables.
SELECT s.schemaname || '.' || s.relname AS object, s.n_mod_since_analyze::float8 AS changed,
       greatest(s.n_live_tup, c.reltuples)::float8 AS rows,
       greatest(s.last_analyze, s.last_autoanalyze) IS NULL AS never,
       'ANALYZE ' || format('%I.%I', s.schemaname, s.relname) || ';' AS action
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
WHERE coalesce(greatest(s.last_analyze, s.last_autoanalyze), '-infinity') < clock_timestamp() - interval '1 hour'
  AND s.n_mod_since_analyze > 10000 AND s.n_mod_since_analyze > 0.5 * greatest(s.n_live_tup, c.reltuples)
ORDER BY s.n_mod_since_analyze DESC, 1
LIMIT 100
