-- Sequences with the room of the column they feed: one row each. used_pct NULL: never used.
-- Source: pg_sequences, pg_depend; last_value is NULL without the right to read it.
SELECT s.schemaname || '.' || s.sequencename AS object,
       has_sequence_privilege(q.oid, 'SELECT,USAGE') AS readable,
       s.last_value::float8 AS last, coalesce(t.type, s.data_type::text) AS type, m.most::float8 AS most,
       (100.0 * s.last_value / m.most)::float8 AS used_pct
FROM pg_sequences AS s
JOIN pg_namespace AS n ON n.nspname = s.schemaname
JOIN pg_class AS q ON q.relname = s.sequencename AND q.relnamespace = n.oid AND q.relkind = 'S'
LEFT JOIN LATERAL (
  SELECT a.atttypid::regtype::text AS type FROM pg_depend AS d
  JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.objid = q.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  LIMIT 1
) AS t ON true
CROSS JOIN LATERAL (
  SELECT least(s.max_value, CASE t.type WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647
                            ELSE 9223372036854775807 END::numeric) AS most
) AS m
WHERE s.increment_by > 0
ORDER BY used_pct DESC NULLS LAST, 1
LIMIT 500
