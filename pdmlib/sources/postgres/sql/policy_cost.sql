-- Policies that call a function of the request bare, so for every row: one row each. Source: pg_policy.
SELECT n.nspname || '.' || t.relname || '.' || p.polname AS object, t.reltuples::float8 AS estimate,
       (regexp_match(q.text, '(auth\.(?:uid|jwt|role|email)\(\)|current_setting\()'))[1] AS calls
FROM pg_policy AS p JOIN pg_class AS t ON t.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (SELECT pg_get_expr(p.polqual, p.polrelid) AS text) AS q
WHERE q.text ~ '(auth\.(uid|jwt|role|email)\(\)|current_setting\()'
  AND q.text !~* 'select\s+(auth\.(uid|jwt|role|email)\(\)|current_setting\()'
  AND t.reltuples >= 1000
ORDER BY t.reltuples DESC, 1
LIMIT 200
