-- Tables of at least 10,000 rows read whole at least ten times: one row each. idx_scan is NULL without any index.
-- Source: pg_stat_user_tables, pg_class.
SELECT s.schemaname || '.' || s.relname AS object, s.seq_scan::float8 AS scans, s.seq_tup_read::float8 AS rows_read,
       coalesce(s.idx_scan, 0)::float8 AS index_scans, s.seq_tup_read::float8 / s.seq_scan AS rows_per_scan
FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
WHERE s.seq_scan >= 10 AND c.reltuples >= 10000 AND s.seq_tup_read / s.seq_scan >= 10000
ORDER BY s.seq_tup_read DESC, 1
LIMIT 50
