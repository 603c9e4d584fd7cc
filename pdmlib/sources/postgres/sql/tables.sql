-- How far the role sees each named table or view: one row each that exists. Source: pg_class, pg_policy.
-- permissive: a policy that lets every row through applies to the role; restrictive: one that may hide rows does.
SELECT n.nspname || '.' || c.relname AS object,
       quote_ident(n.nspname) AS schema,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
       c.relkind::text AS kind,
       has_schema_privilege(n.oid, 'USAGE') AS in_schema,
       has_table_privilege(c.oid, 'SELECT') AS selectable,
       row_security_active(c.oid) AS filtered,
       c.reltuples::float8 AS estimate,
       coalesce(p.permissive, false) AS permissive,
       coalesce(p.restrictive, false) AS restrictive
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT bool_or(polpermissive AND pg_get_expr(polqual, polrelid) = 'true') AS permissive,
         bool_or(NOT polpermissive AND pg_get_expr(polqual, polrelid) IS DISTINCT FROM 'true') AS restrictive
  FROM pg_policy
  WHERE polrelid = c.oid AND polcmd IN ('r', '*')
    AND EXISTS (SELECT FROM unnest(polroles) AS o WHERE o = 0 OR pg_has_role(o, 'USAGE'))
) AS p ON true
WHERE n.nspname || '.' || c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY 1
