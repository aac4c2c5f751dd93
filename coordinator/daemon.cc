#include "coordinator/daemon.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "coordinator/api/api.h"
#include "coordinator/context.h"
#include "coordinator/credentials.h"
#include "coordinator/disk_room.h"
#include "coordinator/journal/sqlite_journal.h"
#include "core/schedule.h"
#include "launch/confine/confinement.h"
#include "net/tls/authority.h"
#include "net/token_file.h"
#include "net/tokens.h"

namespace rekindle::coordinator {

namespace {

constexpr Seconds kHousekeeping{1};
constexpr std::chrono::milliseconds kStopGrace{5'000};
constexpr size_t kPoolThreads = 2;

bool loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

// When the file was written last; the least of times when there is none.
fs::file_time_type written(const fs::path& path) {
  std::error_code none;
  const auto time = fs::last_write_time(path, none);
  return none ? fs::file_time_type::min() : time;
}

// A coroutine that ends with an exception is our bug: loudly, never silently.
void on_end(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    CHECK(false, e.what());
  }
}

}  // namespace

struct Daemon::Parts {
  Parts(boost::asio::io_context& io_, const Clock& clock_, launch::Launcher& launcher_, Options options_)
      : io(io_),
        clock(clock_),
        launcher(launcher_),
        options(std::move(options_)),
        core(io, clock, CoreLoopOptions{.cluster = core::place::one_host(options.slots, options.gpus)}),
        nodes(clock),
        pool(io, kPoolThreads),
        events_worker(io, 1),
        housekeeping_timer(io) {}

  Status open();
  Result<std::vector<net::Token>> all_tokens();
  Result<std::optional<net::TlsFiles>> open_tls() const;
  void follow_tokens();
  void use_pools();
  void say_what_confines() const;
  void look_at_pools();
  void look_at_nodes();
  void look_at_disks();
  void adopt();
  Status serve();
  boost::asio::awaitable<void> housekeeping();
  boost::asio::awaitable<void> stop();

  boost::asio::io_context& io;
  const Clock& clock;
  launch::Launcher& launcher;
  Options options;
  Metrics metrics;
  std::optional<StateFolder> folder;
  std::optional<Pools> pools;
  std::unique_ptr<artifacts::Store> store;
  std::unique_ptr<events::EventStore> events;
  CoreLoop core;
  Nodes nodes;
  TaskThreads pool;
  TaskThreads events_worker;
  std::unique_ptr<Effects> effects;
  std::unique_ptr<Judging> judging;
  std::unique_ptr<Context> context;
  std::unique_ptr<net::HttpServer> server;
  boost::asio::steady_timer housekeeping_timer;
  std::optional<Audit> audit;
  std::string lacks_room;  // why nothing is placed; empty: it is
  std::string operator_token, serving_token, url;
  fs::file_time_type tokens_seen;       // of STATE/tokens.json
  fs::file_time_type credentials_seen;  // of STATE/credentials.pb
  int64_t next_expiry_us = INT64_MAX;
  bool stopping = false;
  bool housekeeping_runs = false;
};

Daemon::Daemon(boost::asio::io_context& io, const Clock& clock, launch::Launcher& launcher, Options options)
    : parts_(std::make_unique<Parts>(io, clock, launcher, std::move(options))) {}

Daemon::~Daemon() = default;

const std::string& Daemon::url() const {
  return parts_->url;
}
const std::string& Daemon::operator_token() const {
  return parts_->operator_token;
}
std::vector<std::tuple<std::string, std::string, net::Access>> Daemon::routes() const {
  return parts_->server->routes();
}
const std::string& Daemon::serving_token() const {
  return parts_->serving_token;
}

Status Daemon::start() {
  TRY_STATUS(parts_->open());
  TRY_STATUS(parts_->serve());
  parts_->adopt();
  parts_->housekeeping_runs = true;
  boost::asio::co_spawn(parts_->io, parts_->housekeeping(), on_end);
  log_info("ready", {{"url", parts_->url},
                     {"state", parts_->folder->path().string()},
                     {"slots", parts_->options.slots},
                     {"gpus", parts_->options.gpus}});
  return ok_status();
}

void Daemon::shut_down() {
  if (std::exchange(parts_->stopping, true)) return;
  boost::asio::co_spawn(parts_->io, parts_->stop(), on_end);
}

Status Daemon::Parts::open() {
  folder.emplace(TRY(StateFolder::open(options.state, options.shared)));
  crash_point("daemon-locked");
  pools.emplace(options.pools.empty() ? folder->pools() : fs::absolute(options.pools));
  TRY_STATUS(pools->load());
  say_what_confines();
  use_pools();
  operator_token = TRY(net::load_or_create_token(folder->operator_token()));
  serving_token = TRY(net::load_or_create_token(folder->serving_token()));
  if (options.artifacts.empty()) options.artifacts = folder->runs().parent_path() / "artifacts";
  options.artifacts = fs::absolute(options.artifacts).lexically_normal();
  store = TRY(artifacts::open_folder_store(options.artifacts));
  events = TRY(events::EventStore::open(folder->events(), *store));
  audit.emplace(TRY(Audit::open(folder->audit(), clock)));
  TRY_STATUS(core.load(TRY(open_sqlite_journal(folder->journal()))));
  TRY_STATUS(make_folders_durably(folder->runs(), 0750));
  look_at_disks();
  return ok_status();
}

Result<std::vector<net::Token>> Daemon::Parts::all_tokens() {
  // Who can read the state folder can do everything to it.
  std::vector<net::Token> out = {net::token_of(operator_token, net::Role::kAdmin, "operator"),
                                 net::token_of(serving_token, net::Role::kServing, "serving")};
  const auto given = TRY(net::TokenFile(folder->tokens()).read());
  const int64_t now = to_micros(clock.wall());
  next_expiry_us = INT64_MAX;
  for (const auto& named : given) {
    if (named.expires_us != 0 && named.expires_us <= now) continue;
    if (named.expires_us != 0) next_expiry_us = std::min(next_expiry_us, named.expires_us);
    out.push_back(named.token);
  }
  return out;
}

Result<std::optional<net::TlsFiles>> Daemon::Parts::open_tls() const {
  if (!loopback(options.address)) {
    const bool named = !TRY(net::TokenFile(folder->tokens()).read()).empty();
    if (!options.tls || !named)
      return failed_precondition(
          "listening on " + options.address + " takes a named token and TLS: `rekindle --state " +
          folder->path().string() + " token add NAME --role operator`, then `rekindled --state " +
          folder->path().string() + " --listen " + options.address + ":" + std::to_string(options.port) +
          " --tls --host-name NAME_OF_THIS_HOST`");
  }
  if (!options.tls) return std::optional<net::TlsFiles>();
  std::vector<std::string> names = options.host_names;
  for (const char* own : {"localhost", "127.0.0.1", "::1"}) names.push_back(own);
  const bool any = options.address == "0.0.0.0" || options.address == "::";
  if (!any && !loopback(options.address)) names.push_back(options.address);
  auto authority = TRY(net::open_authority(folder->tls(), names));
  log_info("TLS", {{"authority", authority.certificate}, {"sha256", authority.fingerprint}});
  return std::optional(std::move(authority.server));
}

// A token that was given or taken, or whose time is over, counts within a second.
void Daemon::Parts::follow_tokens() {
  const auto now = written(folder->tokens());
  if (now == tokens_seen && to_micros(clock.wall()) < next_expiry_us) return;
  tokens_seen = now;
  auto tokens = all_tokens();
  if (!tokens.ok()) return log_error("the tokens stay as they were", {{"reason", tokens.status().message()}});
  log_info("tokens are read anew", {{"count", tokens->size()}});
  server->set_tokens(std::move(tokens).value());
}

Status Daemon::Parts::serve() {
  EffectsOptions how;
  how.artifacts = options.artifacts;
  how.threads_per_rank = options.threads_per_rank;
  how.attempts.poll = options.attempt_poll;
  effects = std::make_unique<Effects>(core, launcher, *store, *folder, *pools, pool, clock, how);
  effects->on_observation = [this](const Observation& seen) {
    if (seen.kind == Observation::kEnded) metrics.attempt_ended(v1::EndClass_Name(seen.ending.end));
  };
  judging = std::make_unique<Judging>(core, nodes, *events, *store, events_worker);
  context.reset(new Context{io,
                            clock,
                            options,
                            *folder,
                            *pools,
                            launcher,
                            *store,
                            core,
                            *effects,
                            nodes,
                            *judging,
                            *events,
                            events_worker,
                            pool,
                            metrics,
                            *audit,
                            clock.wall(),
                            {}});
  net::ServerOptions serving;
  serving.address = options.address;
  serving.port = options.port;
  serving.limits = options.limits;
  serving.host_names = options.host_names;
  serving.tls = TRY(open_tls());
  tokens_seen = written(folder->tokens());
  serving.tokens = TRY(all_tokens());
  server = std::make_unique<net::HttpServer>(io, serving);
  context->shut_down = [this] {
    if (!std::exchange(stopping, true)) boost::asio::co_spawn(io, stop(), on_end);
  };
  add_job_service(*server, *context);
  add_run_service(*server, *context);
  add_run_streams(*server, *context);
  add_registry_service(*server, *context);
  add_serving_service(*server, *context);
  add_event_service(*server, *context);
  add_data_service(*server, *context);
  add_replay_service(*server, *context);
  add_pool_service(*server, *context);
  add_credential_service(*server, *context);
  add_inventory_service(*server, *context);
  add_backup_service(*server, *context);
  add_admin_service(*server, *context);
  TRY(server->start());
  url = server->url();
  crash_point("daemon-listening");
  return folder->write_address(url);
}

// Once: what this host does not offer for keeping runs apart. `rekindle doctor` says it with what to do.
void Daemon::Parts::say_what_confines() const {
  for (const v1::Pool& pool : pools->now().pools()) {
    if (!pool.has_local()) continue;
    for (const auto& lack : launch::confinable().lacks())
      log_warning("runs are confined less than they could be", {{"lack", lack.what}, {"fix", lack.fix}});
  }
}

void Daemon::Parts::use_pools() {
  launcher.use(pools->now());
  look_at_nodes();
}

// What has not changed changes nothing.
void Daemon::Parts::look_at_nodes() {
  // One that is damaged is as good as none, and says so wherever it is asked for.
  credentials_seen = written(folder->credentials());
  Result<std::vector<v1::Credential>> credentials = Credentials(folder->credentials()).list();
  if (!credentials.ok()) log_error("credentials", {{"reason", credentials.status().message()}});
  core::place::Cluster cluster =
      cluster_of(pools->now(), options, credentials.ok() ? *credentials : std::vector<v1::Credential>());
  for (auto& [name, pool] : cluster) close_silent(pool, launcher.nodes(name));
  if (!lacks_room.empty())
    for (auto& [name, pool] : cluster)
      for (core::place::Node& node : pool.nodes) node.closed = lacks_room;
  core.set_cluster(std::move(cluster));
}

void Daemon::Parts::look_at_pools() {
  std::set<std::string> in_use;
  for (const RunId& id : core.state().working)
    if (const v1::Run& run = core.state().runs.at(id); core::live_attempt(run))
      in_use.insert(core::pool_of(core.state(), run));
  if (pools->refresh(in_use))
    use_pools();
  else
    look_at_nodes();
}

// Runs that could not write what they make are not begun.
void Daemon::Parts::look_at_disks() {
  tend_reserve(folder->path() / "reserve");
  const std::array folders = {folder->path(), folder->runs(), options.artifacts};
  const Status room = check_room(folders);
  if (room.ok() == lacks_room.empty()) return;
  lacks_room = room.ok() ? std::string() : room.message();
  if (room.ok())
    log_info("the disks have room again: runs are placed");
  else
    log_error("new work is refused and no run is placed", {{"why", lacks_room}});
  use_pools();
}

void Daemon::Parts::adopt() {
  std::vector<std::string> served;
  for (const auto& [name, model] : core.state().models)
    if (model.plan().revision() > 0) served.push_back(name.value);
  nodes.presume(std::move(served));
  CoreSeams seams;
  seams.perform = [this](const std::vector<core::Effect>& wanted) { effects->perform(wanted); };
  seams.serving = [this] { return nodes.views(); };
  seams.saved = [this] { return effects->saved(); };
  seams.on_commit = [this](double seconds, size_t count) { metrics.commit(seconds, count); };
  core.begin(std::move(seams));
  crash_point("daemon-ready");
}

// Once a second: nodes that went silent, effects to be tried again, and the judgement of models on the
// wall clock.
boost::asio::awaitable<void> Daemon::Parts::housekeeping() {
  auto judged = clock.monotonic();
  constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  while (!stopping) {
    nodes.expire();
    follow_tokens();
    look_at_pools();
    look_at_disks();
    core.tick();
    core.changes().notify();
    if (clock.monotonic() - judged >= options.judge_every) {
      judged = clock.monotonic();
      co_await judging->judge_wall_clock_models();
    }
    if (stopping) break;
    housekeeping_timer.expires_after(kHousekeeping);
    co_await housekeeping_timer.async_wait(token);
  }
  housekeeping_runs = false;
  core.changes().notify();
}

boost::asio::awaitable<void> Daemon::Parts::stop() {
  log_info("stopping: requests in flight are answered, gangs run on");
  housekeeping_timer.cancel();
  co_await server->stop(kStopGrace);
  housekeeping_timer.cancel();
  while (housekeeping_runs) co_await core.changes().wait();
  effects->stop();
  events_worker.stop();
  pool.stop();
  crash_point("daemon-stopping");
  core.stop();
  folder->remove_address();
  log_info("stopped", {{"seq", core.state().seq}});
  io.stop();
}

}  // namespace rekindle::coordinator
