-- Tables over 100 MB with more than 40 % dead rows: one row each. Source: counters, which row-level security leaves.
SELECT s.schemaname || '.' || s.relname AS object, c.relpages * 8192::float8 AS bytes,
       (100.0 * s.n_dead_tup / nullif(s.n_live_tup + s.n_dead_tup, 0))::float8 AS dead_pct
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
WHERE c.relpages > 12800 AND s.n_dead_tup > 0.4 * (s.n_live_tup + s.n_dead_tup)
ORDER BY c.relpages DESC, 1
LIMIT 50
