-- The columns that the installed pg_stat_statements returns: one row each. Source: pg_proc.
SELECT unnest(f.proargnames)::text AS name
FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace
WHERE f.proname = 'pg_stat_statements' AND n.nspname = %(schema)s
ORDER BY 1
