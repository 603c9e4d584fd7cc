-- Reasons why the database takes no writes: one row each. Our own session's setting is left out, and that of a role
-- which may write nothing anyway: a role for reports is made read-only on purpose.
-- Source: pg_is_in_recovery, pg_db_role_setting, pg_file_settings' outcome in pg_settings.
SELECT 'recovery' AS object, 'the server is in recovery: a standby, or one that restarts' AS evidence
WHERE pg_is_in_recovery()
UNION ALL
SELECT CASE WHEN s.setrole = 0 THEN 'database' ELSE 'role ' || pg_get_userbyid(s.setrole)::text END, c
FROM pg_db_role_setting AS s CROSS JOIN LATERAL unnest(s.setconfig) AS c
WHERE c ~ '^default_transaction_read_only=(on|true|yes|1)$'
  AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND s.setrole <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND (s.setrole = 0 OR EXISTS (
    SELECT FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE t.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND has_table_privilege(s.setrole, t.oid, 'INSERT, UPDATE, DELETE')))
UNION ALL
SELECT 'server', 'default_transaction_read_only is on for the whole server' FROM pg_settings
WHERE name = 'default_transaction_read_only' AND reset_val = 'on' AND source NOT IN ('client', 'user', 'session')
ORDER BY 1
