// rekindled: the coordinator daemon. Flags in, exit codes out: 0 left on request, 64 wrong flags, 74 the
// journal could not be written, 78 refused to start. `rekindled restore FOLDER --state NEW` makes a state
// folder of a backup and leaves.
#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <thread>

#include "base/log.h"
#include "base/units.h"
#include "coordinator/backup/restore.h"
#include "coordinator/credentials.h"
#include "coordinator/daemon.h"
#include "coordinator/doctor.h"
#include "launch/pools.h"

namespace {

using namespace rekindle;

constexpr int kExitUsage = 64;
constexpr int kExitRefused = 78;

struct Flags {
  std::string state;
  std::string artifacts;
  std::string pools;
  std::string shared;
  std::string listen = "127.0.0.1:0";
  bool tls = false;
  std::vector<std::string> host_names;
  uint32_t slots = 0;
  int gpus = -1;
  std::string log_format = "text";
  std::string log_level = "info";
  std::string judge_every = "5s";
  std::string heartbeat = "5s";
  std::string gang_program;
  std::string trainer_program;
  bool allow_faults = false;
  std::string backup;  // to be restored; empty: the daemon is wanted
};

void declare(CLI::App& app, Flags& flags) {
  app.add_option("--state", flags.state, "state folder, on a local disk; made when absent")->required();
  app.add_option("--artifacts", flags.artifacts,
                 "root of the artifact store (default SHARED/artifacts, else STATE/artifacts)");
  app.add_option(
      "--shared", flags.shared,
      "folder that compute nodes see under the same path: runs, environments and artifacts lie there");
  app.add_option("--pools", flags.pools, "pools and how to launch on them (default STATE/pools.yaml)");
  app.add_option("--listen", flags.listen, "ADDRESS:PORT, port 0: any free one")->capture_default_str();
  app.add_flag("--tls", flags.tls, "speak TLS with the certificate in STATE/tls, made at first start");
  app.add_option("--host-name", flags.host_names,
                 "name or address by which clients call this host; again for more");
  app.add_option("--slots", flags.slots, "ranks that may run at once on this host (default: its cores)")
      ->check(CLI::Range(1, 4096));
  app.add_option("--gpus", flags.gpus, "GPUs that ranks may hold, from number 0 on (default: those found)")
      ->check(CLI::Range(0, 1024));
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--judge-every", flags.judge_every, "how often models on the wall clock are judged")
      ->capture_default_str();
  app.add_option("--heartbeat", flags.heartbeat, "streams say something at least this often")
      ->capture_default_str();
  app.add_option("--gang-program", flags.gang_program, "rekindle-gang (default: beside this program)");
  app.add_option("--trainer-program", flags.trainer_program,
                 "rekindle-trainer (default: beside this program)");
  app.add_flag("--allow-faults", flags.allow_faults, "let runs carry injected faults: tests only");
  app.fallthrough();  // --state may stand after the verb
  CLI::App* restore = app.add_subcommand(
      "restore", "make the state folder of a backup (`rekindle backup`) and leave; no daemon may have it");
  restore->add_option("FOLDER", flags.backup, "that was backed up to")->required();
}

constexpr size_t kNamedMost = 20;

// What an operator should know before a daemon goes on from there.
void say_restored(const coordinator::RestoreReport& report, const std::string& state) {
  const auto& backup = report.backup;
  std::printf("restored event %llu of %s, backed up at %s\n",
              static_cast<unsigned long long>(backup.journal_seq()), backup.state_folder().c_str(),
              format_time(time_from_micros(backup.made_us())).c_str());
  std::printf(
      "what was decided after that is not in it: runs, versions and promotions since; numbers that they may "
      "have are passed over\n");
  const auto list = [](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    std::printf("%s: %zu\n", what, names.size());
    for (size_t i = 0; i < std::min(names.size(), kNamedMost); ++i) std::printf("  %s\n", names[i].c_str());
    if (names.size() > kNamedMost) std::printf("  ...\n");
  };
  list("runs that were on their way and go on (from their checkpoints where these still are)",
       report.on_their_way);
  list(("MISSING in the artifact store " + report.artifacts.string()).c_str(), report.missing);
  const bool inside = report.artifacts == std::filesystem::absolute(state).lexically_normal() / "artifacts";
  std::printf(
      "make sure that no coordinator or gang of the other folder is left, then: rekindled --state %s%s\n",
      state.c_str(), inside ? "" : (" --artifacts " + report.artifacts.string()).c_str());
}

int restore_and_leave(const Flags& flags) {
  const auto report =
      coordinator::restore({flags.backup, flags.state, flags.artifacts}, SystemClock(),
                           [](const std::string& text) { std::printf("%s\n", text.c_str()); });
  if (!report.ok()) {
    log_error("cannot restore", {{"error", report.status().message()}});
    return kExitRefused;
  }
  say_restored(*report, flags.state);
  return 0;
}

Result<coordinator::Options> parse(const Flags& flags) {
  coordinator::Options options;
  options.state = flags.state;
  options.artifacts = flags.artifacts;
  options.pools = flags.pools;
  options.shared = flags.shared;
  const size_t colon = flags.listen.rfind(':');
  if (colon == std::string::npos)
    return invalid_argument("--listen " + flags.listen + " has no port: write 127.0.0.1:7700");
  options.address = flags.listen.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']'))
    options.address = options.address.substr(1, options.address.size() - 2);
  options.tls = flags.tls;
  options.host_names = flags.host_names;
  int port = -1;
  auto [end, error] =
      std::from_chars(flags.listen.data() + colon + 1, flags.listen.data() + flags.listen.size(), port);
  if (error != std::errc() || end != flags.listen.data() + flags.listen.size() || port < 0 || port > 65535)
    return invalid_argument("--listen " + flags.listen + ": the port is a number from 0 to 65535");
  options.port = static_cast<uint16_t>(port);
  const uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  options.slots = flags.slots != 0 ? flags.slots : cores;
  options.gpus = flags.gpus >= 0 ? static_cast<uint32_t>(flags.gpus) : coordinator::gpus_of_host("/dev");
  options.threads_per_rank = std::max(1u, cores / options.slots);
  options.judge_every =
      std::chrono::duration_cast<std::chrono::milliseconds>(TRY(parse_duration(flags.judge_every)));
  options.heartbeat =
      std::chrono::duration_cast<std::chrono::milliseconds>(TRY(parse_duration(flags.heartbeat)));
  if (options.judge_every.count() < 1 || options.heartbeat.count() < 1)
    return invalid_argument("--judge-every and --heartbeat are at least 1ms");
  options.allow_faults = flags.allow_faults;
  const auto self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  options.gang_program =
      flags.gang_program.empty() ? self / "rekindle-gang" : std::filesystem::path(flags.gang_program);
  options.trainer_program = flags.trainer_program.empty() ? self / "rekindle-trainer"
                                                          : std::filesystem::path(flags.trainer_program);
  return options;
}

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("rekindled: the coordinator of rekindle");
  app.set_version_flag("--version", std::string(coordinator::kVersion));
  Flags flags;
  declare(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  start_logging("rekindled", level_of(flags.log_level), flags.log_format == "json");
  if (!flags.backup.empty()) return restore_and_leave(flags);
  auto options = parse(flags);
  if (!options.ok()) {
    log_error("wrong flags", {{"error", options.status().message()}});
    return kExitUsage;
  }
  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  SystemClock clock;
  launch::LauncherOptions launching;
  launching.gang_program = options->gang_program;
  launching.trainer_program = options->trainer_program;
  // One that was named may be anything: it is started for each attempt.
  launching.warm = flags.gang_program.empty();
  launching.hidden = {std::filesystem::absolute(options->state)};
  if (!options->shared.empty())
    launching.hidden.push_back(std::filesystem::absolute(options->shared) / "runs");
  const coordinator::Credentials credentials(std::filesystem::absolute(options->state) / "credentials.pb");
  auto launcher = launch::make_pool_launcher(
      launching, [&credentials, &clock](const std::string& pool, const std::string& owner) {
        return credentials.identity(pool, owner, clock.wall());
      });
  coordinator::Daemon daemon(io, clock, *launcher, *options);
  Status started = daemon.start();
  if (!started.ok()) {
    log_error("cannot start", {{"error", started.message()}});
    return kExitRefused;
  }
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](boost::system::error_code error, int signal) {
    if (error) return;
    log_info("signal", {{"signal", signal}});
    daemon.shut_down();
  });
  io.run();
  return 0;
}
