-- The busiest and largest 2000 tables: one row each. Counters since the statistics began; pages of 8 kB; analyzed_at in
-- epoch seconds. Many, since a small table may be the busiest of the next look and has no difference without this one.
-- Source: pg_stat_user_tables, pg_class; touches no file and takes no lock.
SELECT s.schemaname || '.' || s.relname AS object,
       s.seq_scan::float8, s.seq_tup_read::float8, s.idx_scan::float8, s.n_tup_ins::float8,
       s.n_live_tup::float8, s.n_dead_tup::float8, nullif(s.n_mod_since_analyze, 0)::float8 AS n_mod_since_analyze,
       extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze))::float8 AS analyzed_at,
       c.relpages::float8, nullif(c.reltuples, -1)::float8 AS reltuples
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
ORDER BY greatest(s.seq_tup_read, s.idx_scan, c.relpages * 100::bigint) DESC NULLS LAST, 1
LIMIT 2000
