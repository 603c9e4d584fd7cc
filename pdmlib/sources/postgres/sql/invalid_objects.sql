-- Indexes that are invalid and not being built, and constraints that were never validated: one row each.
-- Source: pg_index, pg_stat_progress_create_index, pg_constraint.
SELECT n.nspname || '.' || i.relname AS object,
       CASE i.relkind WHEN 'I' THEN 'not every partition has its part of this index'
         ELSE 'index left invalid by a failed concurrent build' END AS evidence,
       CASE i.relkind WHEN 'I' THEN 'Build it on the partitions that lack it, and attach those'
         ELSE 'DROP INDEX CONCURRENTLY ' || format('%I.%I', n.nspname, i.relname) || '; build it again' END AS action
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_namespace AS n ON n.oid = i.relnamespace
WHERE NOT x.indisvalid
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = x.indexrelid)
UNION ALL
SELECT n.nspname || '.' || t.relname || '.' || k.conname, 'constraint is NOT VALID',
       format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I;', n.nspname, t.relname, k.conname)
FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE NOT k.convalidated AND k.contype IN ('c', 'f')
ORDER BY 1
LIMIT 200
