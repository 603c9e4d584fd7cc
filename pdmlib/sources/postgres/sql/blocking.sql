-- Sessions at the root of a queue for locks: one row each. wait_s: the longest wait behind it in seconds.
-- Source: pg_blocking_pids of the sessions that wait for a lock, walked to the root.
WITH RECURSIVE waiting AS (
  SELECT a.pid, b.blocker, a.query,
         extract(epoch FROM clock_timestamp() - coalesce((
           SELECT max((to_jsonb(l) ->> 'waitstart')::timestamptz) FROM pg_locks AS l WHERE l.pid = a.pid AND NOT l.granted
         ), a.query_start))::float8 AS wait_s
  FROM pg_stat_activity AS a CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS b(blocker)
  WHERE a.wait_event_type = 'Lock'
), chain AS (
  SELECT pid, blocker, wait_s, query, 1 AS depth FROM waiting
  UNION
  SELECT c.pid, w.blocker, c.wait_s, c.query, c.depth + 1 FROM chain AS c JOIN waiting AS w ON w.pid = c.blocker
  WHERE c.depth < 10
)
SELECT r.pid, r.usename::text AS role, r.application_name AS application, r.state,
       count(DISTINCT c.pid) AS blocked, max(c.wait_s) AS wait_s,
       coalesce(bool_or(c.query ~* '^\s*(alter|drop|truncate|create|reindex|vacuum|cluster|lock)\M'
                        AND EXISTS (SELECT FROM waiting AS w WHERE w.blocker = c.pid)), false) AS behind_ddl
FROM chain AS c JOIN pg_stat_activity AS r ON r.pid = c.blocker
WHERE NOT EXISTS (SELECT FROM waiting AS w WHERE w.pid = c.blocker)
GROUP BY r.pid, r.usename, r.application_name, r.state
ORDER BY wait_s DESC, r.pid
LIMIT 100
