-- The busiest and largest 300 tables: one row each. Counters since the statistics began; pages of 8 kB.
-- Source: pg_stat_user_tables, pg_class; touches no file and takes no lock.
SELECT s.schemaname || '.' || s.relname AS object,
       s.seq_scan::float8, s.seq_tup_read::float8, s.idx_scan::float8, s.n_tup_ins::float8,
       s.n_live_tup::float8, s.n_dead_tup::float8, c.relpages::float8,
       nullif(c.reltuples, -1)::float8 AS reltuples
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
ORDER BY greatest(s.seq_tup_read, c.relpages * 100::bigint) DESC, 1
LIMIT 300
