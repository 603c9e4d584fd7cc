"""Databases as other people make them: a helpdesk in Kolkata, Pagila, Rails, Django and Prisma. What each holds is
stated beside it, so that tests can count by hand."""

from __future__ import annotations

from tests.servers import MONITOR

# Four weeks of rows at ten past the hours from 9 to 20 of a zone's clock: 12 a day, none at night, 336 in all.
_BY_DAY = "generate_series(1, 28) AS day, generate_series(9, 20) AS hour"
_LOCAL = (
    "date_trunc('day', now() AT TIME ZONE '{zone}') - day * interval '1 day' + hour * interval '1 hour 10 min'"
)

# A helpdesk whose application writes the clock on the wall, Asia/Kolkata, into columns without a zone.
HELPDESK = (
    "CREATE SCHEMA desk",
    # 3,000 heartbeats, a minute apart: 6 SLOW, 4 FAIL, 3 `zz`, all else OK.
    "CREATE TABLE desk.beats (seen_at timestamp NOT NULL, result text NOT NULL, took_ms int)",
    """INSERT INTO desk.beats SELECT now() AT TIME ZONE 'Asia/Kolkata' - n * interval '1 min',
         CASE WHEN n <= 4 THEN 'FAIL' WHEN n <= 10 THEN 'SLOW' WHEN n <= 13 THEN 'zz' ELSE 'OK' END, 90
       FROM generate_series(0, 2999) AS n""",
    # Two jobs, one row a run: one every ten minutes, one at 03:30 UTC (nine in the morning there).
    "CREATE TABLE desk.task_runs (task text, began timestamp, ended timestamp, outcome text, remark text)",
    """INSERT INTO desk.task_runs SELECT 'sync-mails', t, t + interval '4 s',
         CASE WHEN n % 100 = 0 THEN 'CRASH' ELSE 'DONE' END, NULL
       FROM generate_series(0, 999) AS n, LATERAL (SELECT date_trunc('hour', now()) AT TIME ZONE 'Asia/Kolkata'
         - n * interval '10 min' AS t) AS s""",
    """INSERT INTO desk.task_runs SELECT 'daily-digest', t, t + interval '9 s', 'DONE', NULL
       FROM generate_series(1, 30) AS n,
         LATERAL (SELECT (date_trunc('day', now(), 'UTC') - n * interval '1 day' + interval '3 h 30 min')
                  AT TIME ZONE 'Asia/Kolkata' AS t) AS s""",
    """CREATE TABLE desk.cases (ref text UNIQUE, raised_on timestamp NOT NULL, solved_on timestamp, stage text,
         urgency text, area text, stars smallint)""",
    f"""INSERT INTO desk.cases SELECT 'C' || day || '-' || hour, t, CASE WHEN day > 3 THEN t + interval '2 h' END,
         CASE WHEN day > 3 THEN 'SOLVED' ELSE 'IN WORK' END, 'P' || 1 + hour % 4,
         (ARRAY['Software defect', 'How do I', 'Cannot log in'])[1 + hour % 3],
         CASE WHEN day > 3 THEN 1 + hour % 5 END
       FROM {_BY_DAY}, LATERAL (SELECT {_LOCAL.format(zone="Asia/Kolkata")} AS t) AS s""",
    "CREATE TABLE desk.payments_in (no int PRIMARY KEY, paid_on timestamp, rupees numeric(10, 2), state text)",
    f"""INSERT INTO desk.payments_in SELECT 100 * day + hour, {_LOCAL.format(zone="Asia/Kolkata")}, 450,
         CASE WHEN hour = 9 THEN 'DECLINED' ELSE 'PAID' END FROM {_BY_DAY}""",
    "CREATE TABLE desk.articles_read (reader int NOT NULL, read_on timestamp NOT NULL)",
    f"INSERT INTO desk.articles_read SELECT hour, {_LOCAL.format(zone='Asia/Kolkata')} FROM {_BY_DAY}",
    f"GRANT USAGE ON SCHEMA desk TO {MONITOR}",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA desk TO {MONITOR}",
)

# The shape of Pagila, the sample database: every table has `last_update`, three have a time of their own; payments
# are partitioned by month and carry no status.
PAGILA = (
    "CREATE TYPE mpaa_rating AS ENUM ('G', 'PG', 'R')",
    "CREATE TABLE actor (actor_id serial PRIMARY KEY, name text, last_update timestamptz DEFAULT now() NOT NULL)",
    """CREATE TABLE film (film_id serial PRIMARY KEY, title text, rating mpaa_rating, release_year int,
         last_update timestamptz DEFAULT now() NOT NULL)""",
    """CREATE TABLE customer (customer_id serial PRIMARY KEY, email text, activebool boolean DEFAULT true,
         create_date date DEFAULT CURRENT_DATE NOT NULL, last_update timestamptz DEFAULT now())""",
    """CREATE TABLE rental (rental_id serial PRIMARY KEY, rental_date timestamptz NOT NULL, inventory_id int,
         customer_id int REFERENCES customer, return_date timestamptz,
         last_update timestamptz DEFAULT now() NOT NULL)""",
    """CREATE TABLE payment (payment_id serial, customer_id int, amount numeric(5, 2) NOT NULL,
         payment_date timestamptz NOT NULL) PARTITION BY RANGE (payment_date)""",
    "CREATE TABLE payment_p2022_01 PARTITION OF payment FOR VALUES FROM ('2022-01-01') TO ('2022-02-01')",
    "CREATE TABLE payment_p2022_02 PARTITION OF payment FOR VALUES FROM ('2022-02-01') TO ('2022-03-01')",
    "CREATE VIEW customer_list AS SELECT customer_id, email FROM customer",
    "INSERT INTO actor (name) SELECT 'A' || n FROM generate_series(1, 50) AS n",
    "INSERT INTO film (title, rating) SELECT 'F' || n, 'PG' FROM generate_series(1, 50) AS n",
    """INSERT INTO customer (email, create_date) SELECT 'c' || n || '@example.org', '2022-01-01'::date + n % 20
       FROM generate_series(1, 99) AS n""",
    """INSERT INTO rental (rental_date, inventory_id, customer_id, return_date) SELECT t, n, 1 + n % 90,
         CASE WHEN n % 10 > 0 THEN t + (1 + n % 9) * interval '1 day' END
       FROM generate_series(1, 400) AS n,
         LATERAL (SELECT '2022-01-03'::timestamptz + n * interval '97 min' AS t) AS s""",
    """INSERT INTO payment (customer_id, amount, payment_date) SELECT 1 + n % 90, 2.99,
         '2022-01-10'::timestamptz + n * interval '83 min' FROM generate_series(1, 500) AS n""",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)

# Rails keeps UTC in `timestamp(6)`; an enum of a model is an integer. People of New York order by day.
RAILS = (
    "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
    "CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp(6) NOT NULL)",
    "INSERT INTO ar_internal_metadata VALUES ('environment', 'production', now())",
    "CREATE TABLE active_storage_blobs (id bigserial PRIMARY KEY, name varchar, created_at timestamp(6) NOT NULL)",
    """CREATE TABLE orders (id bigserial PRIMARY KEY, status integer DEFAULT 0 NOT NULL, total_cents integer,
         paid_at timestamp(6), created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL)""",
    f"""INSERT INTO orders (status, total_cents, created_at, updated_at)
       SELECT hour % 3, 990, t, t + interval '5 h'
       FROM {_BY_DAY}, LATERAL (SELECT ({_LOCAL.format(zone="America/New_York")}) AT TIME ZONE 'America/New_York'
         AT TIME ZONE 'UTC' AS t) AS s""",
    "CREATE INDEX ON orders (created_at)",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)

DJANGO = (
    "CREATE TABLE django_migrations (id serial PRIMARY KEY, name varchar, applied timestamptz NOT NULL)",
    "CREATE TABLE django_session (session_key varchar PRIMARY KEY, session_data text, expire_date timestamptz)",
    "CREATE TABLE django_admin_log (id serial PRIMARY KEY, action_time timestamptz NOT NULL, object_repr varchar)",
    "CREATE TABLE auth_permission (id serial PRIMARY KEY, codename varchar)",
    """CREATE TABLE auth_user (id serial PRIMARY KEY, password varchar, last_login timestamptz,
         username varchar UNIQUE, is_active boolean NOT NULL, date_joined timestamptz NOT NULL)""",
    """CREATE TABLE shop_order (id bigserial PRIMARY KEY, user_id int REFERENCES auth_user, state varchar(12),
         created timestamptz NOT NULL, modified timestamptz NOT NULL)""",
    """INSERT INTO auth_user (username, is_active, date_joined, last_login) SELECT 'u' || n, true,
         now() - n * interval '3 h', CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 80) AS n""",
    """INSERT INTO shop_order (user_id, state, created, modified)
       SELECT n, 'placed', now() - n * interval '1 h', now() FROM generate_series(1, 60) AS n""",
    "INSERT INTO django_migrations (name, applied) SELECT 'm' || n, now() FROM generate_series(1, 30) AS n",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)

# Prisma quotes its mixed-case names and keeps UTC in `timestamp(3)`; 400 checks half a minute apart, two are DOWN.
PRISMA = (
    """CREATE TYPE "Health" AS ENUM ('UP', 'DOWN', 'DEGRADED')""",
    'CREATE TABLE "_prisma_migrations" (id varchar PRIMARY KEY, started_at timestamptz DEFAULT now(), logs text)',
    """CREATE TABLE "HealthCheck" (id text PRIMARY KEY,
         "checkedAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL, status "Health" NOT NULL,
         "responseTimeMs" integer, "errorText" text)""",
    """INSERT INTO "HealthCheck" SELECT 'h' || n, now() AT TIME ZONE 'UTC' - n * interval '30 s',
         (CASE WHEN n IN (7, 8) THEN 'DOWN' ELSE 'UP' END)::"Health", 41,
         CASE WHEN n IN (7, 8) THEN 'refused' END FROM generate_series(0, 399) AS n""",
    """CREATE TABLE "User" (id text PRIMARY KEY, email text UNIQUE,
         "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL, "updatedAt" timestamp(3) NOT NULL)""",
    """INSERT INTO "User" SELECT 'u' || n, 'u' || n || '@example.org',
         now() AT TIME ZONE 'UTC' - n * interval '5 h', now() AT TIME ZONE 'UTC'
       FROM generate_series(1, 40) AS n""",
    """CREATE TABLE "Order" (id text PRIMARY KEY, "userId" text REFERENCES "User",
         "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL, "paidAt" timestamp(3), status text,
         total numeric(8, 2), currency text)""",
    """INSERT INTO "Order" SELECT 'o' || n, 'u' || 1 + n % 40, t, CASE WHEN n % 3 = 0 THEN t + interval '1 h' END,
         (ARRAY['placed', 'paid', 'cancelled'])[1 + n % 3], 12.50, 'EUR'
       FROM generate_series(1, 60) AS n,
         LATERAL (SELECT now() AT TIME ZONE 'UTC' - n * interval '2 h' AS t) AS s""",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)

# GoodJob's table (its migration create_good_jobs), Laravel's of failed jobs and a queue of one's own.
QUEUES = (
    """CREATE TABLE good_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), queue_name text, priority int,
         serialized_params jsonb, performed_at timestamptz, finished_at timestamptz, error text,
         created_at timestamptz NOT NULL, cron_key text, executions_count int, job_class text,
         locked_at timestamptz)""",
    """INSERT INTO good_jobs (queue_name, performed_at, finished_at, error, created_at, cron_key, job_class)
       SELECT 'default', t, t + interval '9 s', CASE WHEN n = 50 THEN 'StandardError: no' END, t, 'sync_stock',
         'SyncStockJob' FROM generate_series(1, 900) AS n, LATERAL (SELECT date_trunc('hour', now())
         - n * interval '15 min' AS t) AS s""",
    """INSERT INTO good_jobs (queue_name, performed_at, finished_at, created_at, job_class)
       SELECT 'mailers', t, t + interval '1 s', t, 'MailJob' FROM generate_series(1, 300) AS n,
         LATERAL (SELECT now() - n * interval '47 min' AS t) AS s""",
    """CREATE TABLE queue_jobs (id serial PRIMARY KEY, queue text, payload jsonb, attempts int,
         reserved_at timestamptz, available_at timestamptz, created_at timestamptz DEFAULT now())""",
    """INSERT INTO queue_jobs (queue, payload, attempts, created_at)
       SELECT 'default', '{}', 0, now() - n * n * interval '3 min' FROM generate_series(1, 60) AS n""",
    """CREATE TABLE outbox (id serial PRIMARY KEY, channel text, data jsonb, tries int, "lockedBy" text,
         "processAfter" timestamptz, created_at timestamptz DEFAULT now())""",
    """INSERT INTO outbox (channel, data, tries, created_at)
       SELECT 'mail', '{}', 1, now() - n * n * interval '7 min' FROM generate_series(1, 60) AS n""",
    "CREATE TABLE orders (id serial PRIMARY KEY, created_at timestamptz DEFAULT now())",
    "INSERT INTO orders (created_at) SELECT now() - n * n * interval '5 min' FROM generate_series(1, 60) AS n",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)

# Uptime Kuma's table of heartbeats (its db/knex_init_db.js), of a shop and a printer that is off at night.
MONITORS = (
    """CREATE TABLE heartbeat (id serial PRIMARY KEY, monitor_id int NOT NULL, status smallint, time timestamptz,
         ping int)""",
    """INSERT INTO heartbeat (monitor_id, status, time, ping)
       SELECT m, CASE WHEN n = 9 THEN 3 WHEN m = 2 AND n % 400 < 120 THEN 0 ELSE 1 END,
         now() - n * interval '1 min' - m * interval '13 s', 40
       FROM generate_series(0, 900) AS n, generate_series(1, 2) AS m""",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)
