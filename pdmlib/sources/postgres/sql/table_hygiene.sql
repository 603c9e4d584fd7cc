-- Faults of tables: one row each, those exposed to the API first. An index counts for a foreign key when it is a
-- whole, valid btree whose first columns are the key's. Source: pg_class, pg_index, pg_constraint.
WITH tables AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS object, format('%I.%I', n.nspname, c.relname) AS name,
         c.relkind, c.relpersistence, c.relpages, c.relrowsecurity,
         EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = 'anon' AND has_table_privilege(r.oid, c.oid, 'SELECT')
                 AND has_schema_privilege(r.oid, n.oid, 'USAGE')) AS exposed
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
)
SELECT object || ': row-level security' AS object, true AS exposed, relpages,
       'role anon may read it and row-level security is off' AS evidence,
       'ALTER TABLE ' || name || ' ENABLE ROW LEVEL SECURITY; with the policies it needs' AS action
FROM tables WHERE exposed AND NOT relrowsecurity
UNION ALL
SELECT object || ': primary key', false, relpages, 'it has no primary key', 'Give it a primary key'
FROM tables AS t
WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = t.oid AND k.contype = 'p')
UNION ALL
SELECT object || ': unlogged', false, relpages, 'it is unlogged: a crash empties it, and no replica has it',
       'ALTER TABLE ' || name || ' SET LOGGED; if its rows matter'
FROM tables WHERE relpersistence = 'u'
UNION ALL
SELECT t.object || ': ' || k.conname, false, t.relpages, 'no index begins with the columns of this foreign key',
       'CREATE INDEX ' || CASE t.relkind WHEN 'p' THEN '' ELSE 'CONCURRENTLY ' END || 'ON ' || t.name || ' (' || (
         SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, n)
         JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) || '); (untested)'
FROM pg_constraint AS k JOIN tables AS t ON t.oid = k.conrelid
WHERE k.contype = 'f' AND NOT EXISTS (
  SELECT FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_am AS m ON m.oid = i.relam
  WHERE x.indrelid = k.conrelid AND x.indisvalid AND x.indpred IS NULL AND m.amname = 'btree'
    AND (string_to_array(x.indkey::text, ' ')::int2[])[1:cardinality(k.conkey)] @> k.conkey
)
ORDER BY exposed DESC, relpages DESC, object
LIMIT 200
