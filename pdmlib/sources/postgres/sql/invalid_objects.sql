-- Indexes that are invalid and not being built, constraints that were never validated, and foreign keys that nobody
-- enforces: one row each. Source: pg_index, pg_stat_progress_create_index, pg_constraint, pg_trigger.
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
UNION ALL
SELECT DISTINCT n.nspname || '.' || t.relname || '.' || k.conname, 'its triggers are switched off, so that the foreign key is not enforced',
       format('ALTER TABLE %s ENABLE TRIGGER ALL; and look for rows that lack their counterpart', g.tgrelid::regclass)
FROM pg_trigger AS g JOIN pg_constraint AS k ON k.oid = g.tgconstraint
JOIN pg_class AS t ON t.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE g.tgisinternal AND g.tgenabled = 'D' AND k.contype = 'f'
ORDER BY 1
LIMIT 200
