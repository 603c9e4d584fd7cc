-- Indexes over 1 MB that were never scanned, back no constraint and are not unique: one row each, largest first.
-- days: how long the statistics are known to be unbroken. Source: pg_stat_user_indexes, pg_stat_bgwriter.
SELECT s.schemaname || '.' || s.indexrelname AS object, c.relpages * 8192::float8 AS bytes,
       (SELECT extract(epoch FROM clock_timestamp() - greatest(b.stats_reset, d.stats_reset))::float8 / 86400
        FROM pg_stat_bgwriter AS b, pg_stat_database AS d WHERE d.datname = current_database()) AS days
FROM pg_stat_user_indexes AS s
JOIN pg_class AS c ON c.oid = s.indexrelid JOIN pg_index AS x ON x.indexrelid = s.indexrelid
WHERE s.idx_scan = 0 AND NOT c.relispartition AND c.relpages >= 128 AND NOT x.indisunique AND x.indisvalid
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = s.indexrelid)
ORDER BY c.relpages DESC, 1
LIMIT 100
