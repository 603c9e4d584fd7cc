-- Plain indexes covered by another: same table, method, classes, collations, options, and no expression or predicate.
-- One row each, largest first; of two equal ones the younger. That of a partition goes with its table's, which cannot be
-- dropped concurrently. Source: pg_index.
SELECT n.nspname || '.' || i.relname AS object, o.relname::text AS covered_by, i.relpages * 8192::float8 AS bytes,
       'DROP INDEX ' || CASE i.relkind WHEN 'I' THEN '' ELSE 'CONCURRENTLY ' END || format('%I.%I', n.nspname, i.relname)
         || '; and keep its definition' AS action
FROM pg_index AS a
JOIN pg_class AS i ON i.oid = a.indexrelid JOIN pg_namespace AS n ON n.oid = i.relnamespace
JOIN LATERAL (
  SELECT c.relname FROM pg_index AS b JOIN pg_class AS c ON c.oid = b.indexrelid
  WHERE b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid AND c.relam = i.relam AND b.indisvalid
    AND b.indpred IS NULL AND b.indexprs IS NULL
    AND (b.indkey::text || ' ') LIKE (a.indkey::text || ' %')
    AND (b.indclass::text || ' ') LIKE (a.indclass::text || ' %')
    AND (b.indcollation::text || ' ') LIKE (a.indcollation::text || ' %')
    AND (b.indoption::text || ' ') LIKE (a.indoption::text || ' %')
    AND (b.indkey::text <> a.indkey::text OR b.indisunique OR b.indexrelid < a.indexrelid)
  ORDER BY c.relname LIMIT 1
) AS o ON true
WHERE NOT a.indisunique AND a.indisvalid AND a.indpred IS NULL AND a.indexprs IS NULL
  AND a.indnatts = a.indnkeyatts AND NOT i.relispartition AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = a.indexrelid)
ORDER BY i.relpages DESC, 1
LIMIT 100
