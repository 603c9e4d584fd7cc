-- Every table and view of the application itself: one row each. Source: pg_class.
-- Left out: what belongs to the server, to a platform's own schema or to an extension; partitions stand in their parent.
SELECT n.nspname || '.' || c.relname AS object,
       c.relkind::text AS kind,
       CASE c.relkind
         WHEN 'p' THEN (SELECT sum(greatest(k.reltuples, 0)) FROM pg_partition_tree(c.oid) AS t
                        JOIN pg_class AS k ON k.oid = t.relid WHERE t.isleaf)
         ELSE c.reltuples
       END::float8 AS estimate,
       c.relrowsecurity AS secured
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
  AND n.nspname !~ '^pg_' AND n.nspname <> ALL (%(platform)s)
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1
LIMIT 1000
