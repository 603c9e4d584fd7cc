-- Tables with dead rows over their own trigger of autovacuum: one row each. hours: since the last autovacuum.
-- Source: pg_stat_user_tables, reloptions, pg_settings (the cap of PostgreSQL 18 where there is one).
WITH settings AS (
  SELECT max(setting::float8) FILTER (WHERE name = 'autovacuum_vacuum_threshold') AS base,
         max(setting::float8) FILTER (WHERE name = 'autovacuum_vacuum_scale_factor') AS scale,
         max(setting::float8) FILTER (WHERE name = 'autovacuum_vacuum_max_threshold') AS cap
  FROM pg_settings
), options AS (
  SELECT c.oid, c.reltuples,
         max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_threshold') AS base,
         max(o.option_value::float8) FILTER (WHERE o.option_name = 'autovacuum_vacuum_scale_factor') AS scale,
         coalesce(bool_or(o.option_value IN ('false', 'off', 'no', '0'))
                  FILTER (WHERE o.option_name = 'autovacuum_enabled'), false) AS off
  FROM pg_class AS c LEFT JOIN LATERAL pg_options_to_table(c.reloptions) AS o ON true
  WHERE c.relkind = 'r' GROUP BY c.oid, c.reltuples
)
SELECT s.schemaname || '.' || s.relname AS object, s.n_dead_tup::float8 AS dead, t.trigger, o.off,
       (extract(epoch FROM clock_timestamp() - s.last_autovacuum) / 3600)::float8 AS hours
FROM pg_stat_user_tables AS s JOIN options AS o ON o.oid = s.relid CROSS JOIN settings AS d
CROSS JOIN LATERAL (
  SELECT least(coalesce(o.base, d.base) + coalesce(o.scale, d.scale) * greatest(o.reltuples, 0),
               CASE WHEN d.cap > 0 THEN d.cap END) AS trigger
) AS t
WHERE s.n_dead_tup > 1000 AND s.n_dead_tup > t.trigger AND t.trigger > 0
ORDER BY s.n_dead_tup / t.trigger DESC, 1
LIMIT 100
