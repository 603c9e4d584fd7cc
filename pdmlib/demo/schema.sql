-- The database of the demo application: roles, tables, row-level security.
-- Times are as in the application: some columns with a zone, some without that hold UTC.

CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE app_owner LOGIN CREATEROLE BYPASSRLS;
CREATE ROLE pdm_monitor LOGIN CONNECTION LIMIT 10;
GRANT pg_monitor TO pdm_monitor;
GRANT authenticated TO pdm_monitor WITH INHERIT FALSE, SET TRUE;
GRANT anon, authenticated TO app_owner;
GRANT SET ON PARAMETER pg_stat_statements.track TO pdm_monitor;
ALTER DATABASE postgres OWNER TO app_owner;
ALTER SCHEMA public OWNER TO app_owner;

CREATE SCHEMA extensions;
CREATE EXTENSION pg_stat_statements SCHEMA extensions;
GRANT USAGE ON SCHEMA extensions TO PUBLIC;

SET ROLE app_owner;

CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, pdm_monitor;

CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE SET search_path = '' AS $$
  SELECT (nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.json ->> 'sub')::pg_catalog.uuid
$$;

CREATE TABLE public.staff (
  id uuid PRIMARY KEY,
  full_name text NOT NULL
);
INSERT INTO public.staff VALUES ('00000000-0000-4000-8000-000000000001', 'Dana Ortiz');

CREATE FUNCTION public.is_staff() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (SELECT 1 FROM public.staff WHERE id = auth.uid())
$$;

CREATE TABLE public.customers (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  phone text NOT NULL,
  loyalty_tier text NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE public.missed_opportunities (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  status varchar(20) NOT NULL CHECK (status IN ('pending', 'offered', 'converted', 'expired')),
  estimated_value numeric(10, 2) NOT NULL,
  converted boolean NOT NULL,
  conversion_date timestamp,
  conversion_value numeric(10, 2),
  created_at timestamp NOT NULL
);
CREATE INDEX missed_opportunities_status_idx ON public.missed_opportunities (status);
CREATE INDEX missed_opportunities_customer_id_idx ON public.missed_opportunities (customer_id);

CREATE TABLE public.promotion_deliveries (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  delivered_at timestamptz NOT NULL,
  claimed_at timestamptz,
  redeemed_at timestamptz
);
CREATE INDEX promotion_deliveries_customer_id_idx ON public.promotion_deliveries (customer_id);
CREATE INDEX promotion_deliveries_delivered_at_idx ON public.promotion_deliveries (delivered_at);

CREATE TABLE public.promotion_delivery_queue (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  status varchar(20) NOT NULL CHECK (status IN ('pending', 'processing', 'delivered', 'failed')),
  attempts integer NOT NULL,
  error_message text,
  created_at timestamp NOT NULL
);
CREATE INDEX promotion_delivery_queue_customer_id_idx ON public.promotion_delivery_queue (customer_id);

CREATE TABLE public.review_requests (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  status varchar(20) NOT NULL,
  requested_at timestamp NOT NULL,
  portal_review_submitted_at timestamp,
  google_review_completed_at timestamp
);
CREATE INDEX review_requests_customer_id_idx ON public.review_requests (customer_id);
CREATE INDEX review_requests_requested_at_idx ON public.review_requests (requested_at);

CREATE TABLE public.loyalty_transactions (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  points_earned integer NOT NULL,
  points_redeemed integer NOT NULL,
  processed_at timestamptz NOT NULL
);
CREATE INDEX loyalty_transactions_customer_id_idx ON public.loyalty_transactions (customer_id);
CREATE INDEX loyalty_transactions_processed_at_idx ON public.loyalty_transactions (processed_at);

CREATE TABLE public.portal_sessions (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX portal_sessions_customer_id_idx ON public.portal_sessions (customer_id, created_at);

CREATE TABLE public.portal_analytics (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  event_type varchar(40) NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX portal_analytics_customer_id_idx ON public.portal_analytics (customer_id);
CREATE INDEX portal_analytics_event_type_idx ON public.portal_analytics (event_type, created_at);

CREATE TABLE public.website_sessions (
  session_id uuid PRIMARY KEY,
  visitor_id text NOT NULL,
  pages_visited integer NOT NULL,
  duration_seconds integer NOT NULL,
  started_at timestamp NOT NULL,
  ended_at timestamp
);
CREATE INDEX website_sessions_started_at_idx ON public.website_sessions (started_at);

CREATE TABLE public.website_analytics (
  id uuid PRIMARY KEY,
  event_type varchar(40) NOT NULL,
  page_path text NOT NULL,
  session_id uuid NOT NULL,
  visitor_id text NOT NULL,
  created_at timestamp NOT NULL
);
CREATE INDEX website_analytics_created_at_idx ON public.website_analytics (created_at);

CREATE TABLE public.support_tickets (
  id uuid PRIMARY KEY,
  ticket_number varchar(20) NOT NULL UNIQUE,
  escalation_reason text,
  priority varchar(10) NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
  status varchar(20) NOT NULL CHECK (status IN ('open', 'in_progress', 'resolved', 'closed')),
  customer_rating integer CHECK (customer_rating BETWEEN 1 AND 5),
  tags jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  resolved_at timestamptz
);

CREATE TABLE public.payments (
  id uuid PRIMARY KEY,
  customer_id uuid NOT NULL REFERENCES public.customers,
  stripe_payment_intent_id text NOT NULL UNIQUE,
  amount numeric(10, 2) NOT NULL,
  currency char(3) NOT NULL,
  status varchar(20) NOT NULL,
  failure_code text,
  created_at timestamptz NOT NULL
);
CREATE INDEX payments_customer_id_idx ON public.payments (customer_id);
CREATE INDEX payments_created_at_idx ON public.payments (created_at);

CREATE TABLE public.cron_job_logs (
  id uuid PRIMARY KEY,
  job_name varchar(100) NOT NULL,
  status varchar(20) NOT NULL CHECK (status IN ('started', 'completed', 'failed')),
  started_at timestamptz NOT NULL,
  completed_at timestamptz,
  duration_ms integer,
  error_message text,
  attempts integer NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX cron_job_logs_started_at_idx ON public.cron_job_logs (started_at);
CREATE INDEX cron_job_logs_job_name_idx ON public.cron_job_logs (job_name, started_at);

CREATE TABLE public.cron_job_config (
  job_name varchar(100) PRIMARY KEY,
  enabled boolean NOT NULL,
  schedule text NOT NULL,
  timeout_seconds integer NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE public.uptime_logs (
  id uuid PRIMARY KEY,
  status varchar(10) NOT NULL CHECK (status IN ('up', 'down', 'degraded')),
  response_time integer,
  errors text[] NOT NULL,
  checks jsonb NOT NULL,
  checked_at timestamptz NOT NULL
);
CREATE INDEX uptime_logs_checked_at_idx ON public.uptime_logs (checked_at);

CREATE TABLE public.alert_history (
  id uuid PRIMARY KEY,
  alert_name varchar(100) NOT NULL,
  severity varchar(10) NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  message text NOT NULL,
  triggered_at timestamptz NOT NULL,
  acknowledged boolean NOT NULL,
  resolved boolean NOT NULL
);

CREATE TABLE public.integration_health_log (
  id uuid PRIMARY KEY,
  integration_name varchar(40) NOT NULL,
  check_time timestamptz NOT NULL,
  status varchar(20) NOT NULL,
  response_time_ms integer,
  success boolean NOT NULL,
  error_message text
);
CREATE INDEX integration_health_log_check_time_idx ON public.integration_health_log (check_time);

DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY staff_reads ON public.%I FOR SELECT TO authenticated USING ((SELECT public.is_staff()))', name);
    EXECUTE format('GRANT SELECT ON public.%I TO authenticated, pdm_monitor', name);
  END LOOP;
END $$;

CREATE POLICY visits_are_written ON public.website_sessions FOR INSERT TO anon WITH CHECK (true);
CREATE POLICY views_are_written ON public.website_analytics FOR INSERT TO anon WITH CHECK (true);
GRANT USAGE ON SCHEMA public TO anon, authenticated, pdm_monitor;
GRANT INSERT ON public.website_sessions, public.website_analytics TO anon;

RESET ROLE;
