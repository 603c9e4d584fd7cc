# Asks PgHero's checks of a database: a line of standard input is its address, a line of standard output the answers.
# Run as `ruby pghero.rb <the lib folder of a PgHero checkout>`.
require "json"
require "logger"
require "active_record"
$LOAD_PATH.unshift(ARGV.fetch(0))
begin
  require "pg_query"
rescue LoadError
  # Without it PgHero suggests no index.
end
require "pghero"

CHECKS = %i[
  long_running_queries blocked_queries slow_queries missing_indexes suggested_indexes duplicate_indexes invalid_indexes
  unused_indexes index_bloat invalid_constraints sequence_danger transaction_id_danger autovacuum_danger
  replication_slots
].freeze

$stdin.each_line do |line|
  ActiveRecord::Base.establish_connection(line.strip)
  database = PgHero::Database.new(:primary, { "url" => line.strip })
  answers = CHECKS.to_h do |check|
    [check, database.public_send(check)]
  rescue StandardError => e
    [check, "failed: #{e.message.lines.first}"]
  end
  answers[:total_connections] = [{ connections: database.total_connections }] if database.total_connections >= 500
  puts answers.to_json
  $stdout.flush
  database.send(:connection_model).remove_connection
  ActiveRecord::Base.remove_connection
end
