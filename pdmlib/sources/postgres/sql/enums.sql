-- The types of words that the schema itself lists: one row each. Source: pg_type.
SELECT n.nspname || '.' || t.typname AS name
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typtype = 'e' AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1
LIMIT 20000
