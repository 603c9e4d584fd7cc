-- Faults of row-level security: one row each (object, severity, evidence, action). Rows that anybody may add are a form,
-- rows that anybody may change are a fault. The first four are those that Supabase's linter knows as 0006, 0007, 0008
-- and 0024, the last its 0011 for functions that run as their owner. Source: pg_class, pg_policy, pg_proc.
WITH tables AS (
  SELECT t.oid, n.nspname || '.' || t.relname AS object, format('%I.%I', n.nspname, t.relname) AS name, t.relrowsecurity,
         EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.oid) AS has_policies
  FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
  WHERE t.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
), policies AS (
  SELECT t.object, p.polname, p.polpermissive, p.polcmd,
         CASE WHEN r.oid = 0 THEN 'public' ELSE pg_get_userbyid(r.oid)::text END AS role,
         CASE WHEN p.oid IS NOT NULL AND p.polrelid NOT IN (
                SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
              THEN concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) END AS condition
  FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid CROSS JOIN LATERAL unnest(p.polroles) AS r(oid)
)
SELECT object, 'warn' AS severity, 'it has policies, and row-level security is off: they do nothing' AS evidence,
       'ALTER TABLE ' || name || ' ENABLE ROW LEVEL SECURITY;' AS action
FROM tables WHERE has_policies AND NOT relrowsecurity
UNION ALL
SELECT object, 'info', 'row-level security is on without a policy: only its owner sees its rows',
       'Write the policies it needs, or none if that is meant'
FROM tables WHERE relrowsecurity AND NOT has_policies
UNION ALL
SELECT object, 'info', count(*) || ' permissive policies of ' || role || ' for one command: each is asked for every row',
       'Join them into one with OR'
FROM policies CROSS JOIN LATERAL unnest(CASE polcmd WHEN '*' THEN '{r,a,w,d}'::"char"[] ELSE ARRAY[polcmd] END) AS c(command)
WHERE polpermissive GROUP BY object, role, command HAVING count(*) > 1
UNION ALL
SELECT object || '.' || polname, 'warn', 'anybody of ' || role || ' may change every row: its condition is true',
       'Give the policy a condition'
FROM policies WHERE polpermissive AND polcmd NOT IN ('r', 'a') AND condition IN ('true', 'true true')
UNION ALL
SELECT n.nspname || '.' || f.proname, 'warn',
       'it runs with the rights of its owner and the search_path of whoever calls it',
       format('ALTER FUNCTION %I.%I(%s) SET search_path = '''';', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid))
         || ' with every name in it written with its schema'
FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace
WHERE f.prosecdef AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM unnest(f.proconfig) AS c WHERE c LIKE 'search_path=%')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = f.oid AND d.deptype = 'e')
ORDER BY severity DESC, object, evidence
LIMIT 200
