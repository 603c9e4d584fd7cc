-- The columns of each named table: one row each. Source: pg_attribute.
SELECT n.nspname || '.' || c.relname AS object,
       a.attname::text AS name,
       a.atttypid::regtype::text AS type,
       has_column_privilege(c.oid, a.attnum, 'SELECT') AS selectable
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
