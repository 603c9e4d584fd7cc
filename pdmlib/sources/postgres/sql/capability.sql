-- What the role is and what it may see: one row. grantee: its name as a statement writes it; advises: the schema of
-- the extension hypopg.
-- Source: pg_roles, pg_extension.
SELECT current_user::text AS role,
       quote_ident(current_user) AS grantee,
       current_database()::text AS database,
       r.rolsuper AS superuser,
       r.rolbypassrls OR r.rolsuper AS bypasses_rls,
       pg_has_role('pg_read_all_stats', 'USAGE') AS monitors,
       current_setting('default_transaction_read_only') = 'on' AS guarded,
       e.schema AS statements_schema,
       e.version AS statements_version,
       (SELECT n.nspname::text FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
        WHERE x.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')) AS advises
FROM pg_roles AS r
LEFT JOIN (
  SELECT n.nspname::text AS schema, x.extversion AS version
  FROM pg_extension AS x JOIN pg_namespace AS n ON n.oid = x.extnamespace
  WHERE x.extname = 'pg_stat_statements'
) AS e ON true
WHERE r.rolname = current_user
ORDER BY 1
