-- What the tables and functions of some names may be, outside the server's own schemas and those of extensions: one row
-- each. kind: as in pg_class, `function`, or `extension` for a schema that holds what extensions brought.
-- Source: pg_class, pg_proc, pg_extension.
WITH spaces AS (
  SELECT oid, nspname::text AS schema FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%%' AND nspname <> 'information_schema'
)
SELECT s.schema, c.relname::text AS name, c.relkind::text AS kind
FROM pg_class AS c JOIN spaces AS s ON s.oid = c.relnamespace
WHERE c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT s.schema, f.proname::text, 'function'
FROM pg_proc AS f JOIN spaces AS s ON s.oid = f.pronamespace
WHERE f.proname = ANY (%(functions)s)
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e')
UNION ALL
SELECT DISTINCT s.schema, s.schema, 'extension' FROM pg_extension AS e JOIN spaces AS s ON s.oid = e.extnamespace
ORDER BY 3, 1, 2
