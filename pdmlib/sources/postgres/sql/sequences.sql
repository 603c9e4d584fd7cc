-- Sequences that can end within a lifetime, with the room of the column they feed: one row each.
-- Source: pg_sequence, pg_depend; no sequence is opened, because each one opened is locked to the transaction's end.
SELECT q.oid::text AS id, n.nspname || '.' || q.relname AS object, format('%I.%I', n.nspname, q.relname) AS quoted,
       has_sequence_privilege(q.oid, 'SELECT,USAGE') AS readable,
       coalesce(t.type, s.seqtypid::regtype::text) AS type, m.most::float8 AS most,
       -- Where the column has room and the sequence has not, the sequence alone is to be changed.
       CASE WHEN t.type = 'bigint' THEN format('ALTER SEQUENCE %I.%I AS bigint MAXVALUE 9223372036854775807;', n.nspname, q.relname)
         ELSE 'Move the column to bigint before it ends' END AS action
FROM pg_sequence AS s
JOIN pg_class AS q ON q.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = q.relnamespace
LEFT JOIN LATERAL (
  SELECT a.atttypid::regtype::text AS type FROM pg_depend AS d
  JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.objid = q.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  LIMIT 1
) AS t ON true
CROSS JOIN LATERAL (
  SELECT least(s.seqmax, CASE t.type WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647
                         ELSE 9223372036854775807 END) AS most
) AS m
WHERE s.seqincrement > 0 AND m.most < 9223372036854775807 AND n.nspname NOT LIKE 'pg\_%'
ORDER BY m.most, 2
LIMIT 20000
