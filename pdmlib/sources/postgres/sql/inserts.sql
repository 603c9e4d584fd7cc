-- Rows inserted into one table since the statistics began, rolled-back ones too: one row. Source: pg_stat_user_tables.
SELECT n_tup_ins::float8 AS inserts FROM pg_stat_user_tables
WHERE schemaname || '.' || relname = %(table)s
ORDER BY 1
