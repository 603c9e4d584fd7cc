-- What the schema is made of: one row a thing (metric, object, detail, value), at most 20,000 of a kind, largest
-- first. detail: as the server would make it again; NULL while a migration holds or awaits the lock of its table,
-- since pg_get_indexdef and its like would wait behind it. value: of an index 1 when it is valid, else 0.
-- Source: the catalogue.
WITH locked AS MATERIALIZED (
  SELECT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND relation IS NOT NULL
), spaces AS (
  SELECT oid, nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
), tables AS (
  SELECT t.oid, t.relkind, t.relname, t.relpages, n.nspname, n.nspname || '.' || t.relname AS object,
         t.relrowsecurity, t.relpersistence, t.relispartition, t.oid NOT IN (SELECT relation FROM locked) AS free
  FROM pg_class AS t JOIN spaces AS n ON n.oid = t.relnamespace
  WHERE t.relkind IN ('r', 'p', 'm', 'v') AND t.relpersistence <> 't'
)
(
  SELECT 'index' AS metric, t.nspname || '.' || i.relname AS object,
         CASE WHEN t.free AND i.oid NOT IN (SELECT relation FROM locked) THEN left(pg_get_indexdef(i.oid), 4000) END AS detail,
         x.indisvalid::int::float8 AS value
  FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN tables AS t ON t.oid = x.indrelid
  ORDER BY t.relpages DESC, 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'table', t.object,
         left((SELECT string_agg(a.attname || ' ' || a.atttypid::regtype::text, ', ' ORDER BY a.attnum)
               FROM pg_attribute AS a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), 4000)
         || CASE WHEN t.relrowsecurity THEN ' | row-level security' ELSE '' END
         || CASE WHEN t.relpersistence = 'u' THEN ' | unlogged' ELSE '' END
         || CASE WHEN t.relkind = 'p' THEN ' | partitioned' ELSE '' END
         || CASE WHEN t.relispartition THEN coalesce((SELECT ' | partition of ' || p.object FROM pg_inherits AS h
            JOIN tables AS p ON p.oid = h.inhparent WHERE h.inhrelid = t.oid LIMIT 1), '') ELSE '' END, NULL
  FROM tables AS t WHERE t.relkind IN ('r', 'p')
  ORDER BY t.relpages DESC, 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'view', t.object, CASE WHEN t.free THEN left(pg_get_viewdef(t.oid), 4000) END, NULL
  FROM tables AS t WHERE t.relkind IN ('v', 'm') ORDER BY 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'policy', t.object || '.' || p.polname,
         CASE WHEN t.free THEN left(CASE WHEN p.polpermissive THEN 'permissive ' ELSE 'restrictive ' END
           || p.polcmd::text || ' ' || array_to_string(ARRAY(SELECT CASE WHEN r = 0 THEN 'public'
              ELSE pg_get_userbyid(r)::text END FROM unnest(p.polroles) AS r ORDER BY 1), ',')
           || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
           || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), ''), 2000) END, NULL
  FROM pg_policy AS p JOIN tables AS t ON t.oid = p.polrelid
  ORDER BY 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'trigger', t.object || '.' || g.tgname,
         CASE WHEN t.free THEN left(pg_get_triggerdef(g.oid), 2000)
           || CASE WHEN g.tgenabled = 'D' THEN ' | switched off' ELSE '' END END, NULL
  FROM pg_trigger AS g JOIN tables AS t ON t.oid = g.tgrelid
  WHERE NOT g.tgisinternal ORDER BY t.relpages DESC, 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'constraint', t.object || '.' || k.conname,
         CASE WHEN k.contype = 'f' THEN pg_get_constraintdef(k.oid) ELSE k.contype::text END
           || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END, NULL
  FROM pg_constraint AS k JOIN tables AS t ON t.oid = k.conrelid
  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
  ORDER BY t.relpages DESC, 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'generated', t.object || '.' || a.attname,
         CASE WHEN t.free THEN left(pg_get_expr(d.adbin, d.adrelid), 2000) END, NULL
  FROM pg_attribute AS a JOIN tables AS t ON t.oid = a.attrelid
  JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attgenerated = 's' AND NOT a.attisdropped
  ORDER BY t.relpages DESC, 2 LIMIT 20000
)
UNION ALL
(
  SELECT 'function', n.nspname || '.' || f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')',
         md5(f.prosrc), NULL
  FROM pg_proc AS f JOIN spaces AS n ON n.oid = f.pronamespace
  WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = f.oid AND d.deptype = 'e')
  ORDER BY 2 LIMIT 20000
)
UNION ALL
(
  -- What a person has made up may hold anything: of it a hash.
  SELECT 'setting', name, CASE WHEN category = 'Customized Options' AND name !~ '^(pg_stat_statements|auto_explain|plpgsql)\.'
    THEN md5(setting) ELSE left(setting, 200) END, NULL FROM pg_settings
  WHERE source NOT IN ('default', 'client', 'session', 'override')
    AND name !~ '(conninfo|passw|command|secret|key|application_name|client_encoding)'
  ORDER BY 2 LIMIT 500
)
UNION ALL
(
  -- What is set for a role alone, of which a session of ours knows nothing.
  SELECT 'setting', s.name || ' of role ' || s.role,
         CASE WHEN s.name ~ '\.' AND s.name !~ '^(pg_stat_statements|auto_explain|plpgsql)\.' THEN md5(s.value) ELSE left(s.value, 200) END, NULL
  FROM (
    SELECT pg_get_userbyid(d.setrole)::text AS role, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_db_role_setting AS d CROSS JOIN LATERAL unnest(d.setconfig) AS c
    WHERE d.setrole <> 0 AND d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  ) AS s
  WHERE s.name !~ '(conninfo|passw|command|secret|key|application_name|client_encoding)'
  ORDER BY 2 LIMIT 500
)
UNION ALL
(
  SELECT 'statistics', n.nspname || '.' || s.stxname, pg_get_statisticsobjdef(s.oid), NULL
  FROM pg_statistic_ext AS s JOIN spaces AS n ON n.oid = s.stxnamespace
  ORDER BY 2 LIMIT 20000
)
UNION ALL
(SELECT 'extension', extname::text, extversion, NULL FROM pg_extension ORDER BY 2 LIMIT 500)
ORDER BY 1, 2
