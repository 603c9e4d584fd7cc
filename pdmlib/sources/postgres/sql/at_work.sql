-- Sessions of clients of this database that are at work now, and not ours: one row each, with what they wait for (NULL: for
-- nothing) and the statement of the session that holds what they want. queryid: PostgreSQL 14 and later.
-- Source: pg_stat_activity; pg_blocking_pids of the few sessions that wait for a lock.
SELECT a.usename::text AS role, to_jsonb(a) ->> 'query_id' AS queryid, left(a.query, 8000) AS query,
       a.wait_event_type || ': ' || a.wait_event AS wait,
       b.usename::text AS blocker_role, left(b.query, 8000) AS blocker, b.state AS blocker_state
FROM (
  SELECT * FROM pg_stat_activity
  WHERE state = 'active' AND backend_type = 'client backend' AND datname = current_database()
    AND application_name NOT LIKE 'pdm/%' AND usename <> current_user
  ORDER BY query_start, pid LIMIT 200
) AS a
LEFT JOIN pg_stat_activity AS b
  ON b.pid = CASE WHEN a.wait_event_type = 'Lock' THEN (pg_blocking_pids(a.pid))[1] END
ORDER BY a.pid
