-- The valid indexes of one table: one row each, with their first column. Source: pg_index.
SELECT i.relname || ' (' || string_agg(a.attname, ', ' ORDER BY a.attnum) || ')' AS definition,
       min(a.attname::text) FILTER (WHERE a.attnum = 1) AS first
FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_attribute AS a ON a.attrelid = i.oid AND a.attnum <= x.indnkeyatts
WHERE x.indrelid = to_regclass(%(table)s) AND x.indisvalid
GROUP BY i.oid, i.relname
ORDER BY 1
