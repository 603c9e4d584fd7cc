-- What the schema is made of: one row a thing (kind, object, detail), at most 3000 of a kind, largest tables first.
-- Indexes are described from the catalogue, because pg_get_indexdef waits behind a migration's lock.
(
  SELECT 'index' AS kind, n.nspname || '.' || i.relname AS object,
         CASE WHEN x.indisunique THEN 'unique ' ELSE '' END || m.amname || ' ' || n.nspname || '.' || t.relname
           || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute AS a
                       WHERE a.attrelid = i.oid AND a.attnum <= x.indnkeyatts) || ')'
           || CASE WHEN x.indpred IS NULL THEN '' ELSE ' partial' END
           || CASE WHEN x.indexprs IS NULL THEN '' ELSE ' expression' END
           || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END AS detail
  FROM pg_index AS x
  JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid
  JOIN pg_am AS m ON m.oid = i.relam JOIN pg_namespace AS n ON n.oid = t.relnamespace
  WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  ORDER BY t.relpages DESC, 2 LIMIT 3000
)
UNION ALL
(
  SELECT 'table', n.nspname || '.' || t.relname,
         left((SELECT string_agg(a.attname || ' ' || a.atttypid::regtype::text, ', ' ORDER BY a.attnum)
               FROM pg_attribute AS a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), 4000)
         || CASE WHEN t.relrowsecurity THEN ' | row-level security' ELSE '' END
  FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
  WHERE t.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  ORDER BY t.relpages DESC, 2 LIMIT 3000
)
UNION ALL
(
  SELECT 'policy', n.nspname || '.' || t.relname || '.' || p.polname,
         CASE WHEN p.polpermissive THEN 'permissive ' ELSE 'restrictive ' END || p.polcmd::text || ' ' || array_to_string(
           ARRAY(SELECT CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r)::text END FROM unnest(p.polroles) AS r ORDER BY 1), ',')
  FROM pg_policy AS p JOIN pg_class AS t ON t.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
  ORDER BY 2 LIMIT 3000
)
UNION ALL
(
  SELECT 'constraint', n.nspname || '.' || t.relname || '.' || k.conname,
         k.contype::text || CASE WHEN k.convalidated THEN '' ELSE ' not valid' END
  FROM pg_constraint AS k JOIN pg_class AS t ON t.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
  WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  ORDER BY t.relpages DESC, 2 LIMIT 3000
)
UNION ALL
(
  SELECT 'function', n.nspname || '.' || f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')', md5(f.prosrc)
  FROM pg_proc AS f JOIN pg_namespace AS n ON n.oid = f.pronamespace
  WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = f.oid AND d.deptype = 'e')
  ORDER BY 2 LIMIT 3000
)
UNION ALL
(
  SELECT 'setting', name, left(setting, 200) FROM pg_settings
  WHERE source NOT IN ('default', 'client', 'session', 'override')
    AND name !~ '(conninfo|passw|command|secret|key|application_name|client_encoding)'
  ORDER BY 2 LIMIT 500
)
UNION ALL
(SELECT 'extension', extname::text, extversion FROM pg_extension ORDER BY 2 LIMIT 500)
ORDER BY 1, 2
