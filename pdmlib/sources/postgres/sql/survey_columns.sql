-- What the catalogue knows of each column of the named tables: one row each. Source: pg_attribute.
SELECT n.nspname || '.' || c.relname AS object,
       a.attname::text AS name,
       format_type(coalesce(b.oid, t.oid), NULL) AS type,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum AS e
             WHERE e.enumtypid = coalesce(b.oid, t.oid) ORDER BY e.enumsortorder LIMIT 30)
       || ARRAY(SELECT m[1] FROM pg_constraint AS k,
                  regexp_matches(pg_get_constraintdef(k.oid), '''([^'']{1,60})''::', 'g') AS m
                WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] LIMIT 30) AS labels,
       a.attnotnull AS required,
       coalesce(pg_get_expr(d.adbin, d.adrelid) ~* '\m(now|current_timestamp|current_date|clock_timestamp|localtimestamp)\M', false)
         AS made_now,
       EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum) AS indexed,
       EXISTS (SELECT FROM pg_index AS i
               WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum) AS single,
       EXISTS (SELECT FROM pg_constraint AS k
               WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS refers
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_type AS b ON b.oid = t.typbasetype AND t.typtype = 'd' -- a domain is read as what it is made of
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname || '.' || c.relname = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
