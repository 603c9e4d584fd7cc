-- The last value of some sequences, NULL for one never used: one row each. Source: pg_sequence_last_value.
SELECT q.oid::text AS id, pg_sequence_last_value(q.oid)::float8 AS last
FROM pg_class AS q WHERE q.oid = ANY (%(ids)s::oid[]) AND q.relkind = 'S'
ORDER BY 1
