-- Inactive replication slots: one row each. bytes: write-ahead log that it keeps. Source: pg_replication_slots.
SELECT slot_name::text AS object,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END AS bytes
FROM pg_replication_slots WHERE NOT active
ORDER BY 2 DESC NULLS LAST, 1
LIMIT 50
