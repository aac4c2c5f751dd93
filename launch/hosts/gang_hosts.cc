#include "launch/hosts/gang_hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "base/text/shell.h"
#include "launch/hosts/agent.h"
#include "launch/hosts/parts.h"
#include "proto/time.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::launch {
namespace {

constexpr size_t kLogTailBytes = 64 * 1024;

std::vector<std::string> hosts_of(const v1::Plan& plan) {
  std::vector<std::string> out;
  for (const v1::NodeShare& share : plan.shares()) out.push_back(share.node());
  return out;
}

std::vector<HostAnswer> ask_all(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                                const std::string& part) {
  const v1::HostsLaunch& launch = *options.hosts;
  return ask_hosts(launch.pool(), hosts_of(plan), [&](const std::string& host) {
    HostPart one{
        .part = part, .folder = options.folder, .scratch = scratch, .trainer = {}, .host = {}, .nonce = {}};
    if (part == "prove") {
      one.trainer = launch.trainer();
      one.host = host;
      one.nonce = plan.start_nonce();
    }
    return host_command(launch.gang(), one);
  });
}

v1::ExitRecord lost(const std::string& host, const std::string& why) {
  v1::ExitRecord record;
  record.set_code(kGangSystem);
  record.set_end(v1::END_NODE_LOST);
  record.set_host(host);
  record.set_note(fmt::format("host {} was lost: {}", host, why));
  return record;
}

v1::ExitRecord refused(const AttemptFolder& folder, const std::string& why) {
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::SPEC_REFUSED);
  outcome.set_message(why);
  v1::ExitRecord record;
  record.set_code(kExitSpecRefused);
  record.set_note(why);
  if (const Status written = folder.write_outcome(outcome); !written.ok())
    record.set_note(fmt::format("{}; {}", why, written.message()));
  return record;
}

std::string tail_of(const fs::path& log) {
  std::ifstream in(log, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const auto size = static_cast<size_t>(in.tellg());
  std::string tail(std::min(size, kLogTailBytes), '\0');
  in.seekg(static_cast<std::streamoff>(size - tail.size()));
  in.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  return tail;
}

int64_t seconds_of(const google::protobuf::Duration& duration) {
  return std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(from_proto(duration)).count());
}

// The pool's name of a host that calls itself so; hosts often know themselves by a shorter or longer name.
std::string pool_name(const v1::Plan& plan, const std::string& called) {
  const auto label = [](const std::string& name) { return name.substr(0, name.find('.')); };
  std::string out;
  for (const v1::NodeShare& share : plan.shares()) {
    if (share.node() == called) return called;
    if (label(share.node()) == label(called)) out = share.node();
  }
  return out;
}

}  // namespace

fs::path hostfile_of(const AttemptFolder& folder) {
  return folder.root() / "hostfile";
}

std::string hostfile_text(const v1::Plan& plan) {
  std::string out;
  for (const v1::NodeShare& share : plan.shares())
    for (uint32_t rank = 0; rank < share.ranks(); ++rank) out += share.node() + "\n";
  return out;
}

std::vector<std::string> hosts_command(const GangOptions& options, const v1::Plan& plan,
                                       const fs::path& scratch, const fs::path& hostfile) {
  const v1::HostsPool& pool = options.hosts->pool();
  std::vector<std::string> out = {"mpirun",
                                  "-n",
                                  std::to_string(std::max<uint32_t>(1, plan.world())),
                                  "--hostfile",
                                  hostfile.string(),
                                  "--map-by",
                                  "seq",
                                  "--bind-to",
                                  "none",
                                  "-x",
                                  kAttemptVariable,
                                  "-x",
                                  "OMP_NUM_THREADS",
                                  "-x",
                                  "TMPDIR"};
  const auto set = [&out](std::string_view name, std::string value) {
    out.emplace_back("--mca");
    out.emplace_back(name);
    out.push_back(std::move(value));
  };
  set("plm", "rsh");
  set("plm_rsh_agent", fmt::format("{}", fmt::join(pool.agent(), " ")));
  // Only this host opens connections: hosts need no way to log in at each other.
  set("plm_rsh_no_tree_spawn", "1");
  // By which a sweep finds Open MPI's daemon, too. The command goes through a shell that Open MPI quotes for.
  if (const std::string folder = options.folder.string(); shell_quoted(folder) == folder)
    set("orte_launch_agent", fmt::format("env {}={} orted", kAttemptVariable, folder));
  set("mpi_yield_when_idle", "1");
  set("pml", "ob1");
  set("btl", "vader,self,tcp");
  if (!pool.collectives().empty()) set("btl_tcp_if_include", pool.collectives());
  if (!pool.control().empty()) set("oob_tcp_if_include", pool.control());
  // A host that went away silently is noticed about when its probes notice it.
  set("oob_tcp_keepalive_time", std::to_string(seconds_of(pool.probe())));
  set("oob_tcp_keepalive_intvl", std::to_string(seconds_of(pool.probe())));
  set("oob_tcp_keepalive_probes", std::to_string(std::max<uint32_t>(1, pool.misses())));
  for (const std::string_view name :
       {"orte_tmpdir_base", "btl_vader_backing_directory", "osc_sm_backing_directory"})
    set(name, scratch.string());
  for (const std::string& word :
       {options.hosts->gang(), std::string("rank"), std::string("--folder"), options.folder.string(),
        std::string("--trainer"), options.hosts->trainer()})
    out.push_back(word);
  return out;
}

std::optional<v1::ExitRecord> prove_hosts(const GangOptions& options, const v1::Plan& plan,
                                          const fs::path& scratch) {
  const AttemptFolder folder(options.folder);
  for (const HostAnswer& answer : ask_all(options, plan, scratch, "prove")) {
    if (!answer.reached.ok()) return lost(answer.host, answer.reached.message());
    if (answer.code == kHostRefuses)
      return refused(folder, fmt::format("host {}: {}", answer.host, answer.text));
    if (answer.code != 0)
      return refused(folder, fmt::format("host {}: {} left with {}: {}", answer.host, options.hosts->gang(),
                                         answer.code, answer.text));
    const Result<std::string> seen = read_file(folder.seen(answer.host));
    if (!seen.ok() || *seen != plan.start_nonce())
      return refused(
          folder, fmt::format("host {}: what it writes into {} is not seen here: it is another folder there",
                              answer.host, folder.root().string()));
  }
  if (const Status written = write_file_durably(hostfile_of(folder), hostfile_text(plan), 0640);
      !written.ok())
    return refused(folder, written.message());
  return std::nullopt;
}

void settle_hosts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                  v1::ExitRecord& record) {
  const AttemptFolder folder(options.folder);
  std::string silent, why;
  const auto note = [&record](const std::string& text) {
    record.set_note(record.note().empty() ? text : fmt::format("{}; {}", record.note(), text));
  };
  for (const HostAnswer& answer : ask_all(options, plan, scratch, "sweep")) {
    if (!answer.reached.ok() && silent.empty()) {
      silent = answer.host;
      why = answer.reached.message();
    }
    if (answer.reached.ok() && answer.code == kHostRemains)
      note(fmt::format("a process of the ranks on {} could not be killed", answer.host));
  }
  const bool well = record.code() == 0 && record.signal() == 0;
  if (well || record.end() != 0 || fs::exists(folder.outcome())) return;
  // When a host goes, its peers' ranks may fail first: mpirun's word for the loss comes before theirs.
  std::string host, how;
  if (const std::optional<std::string> daemon = lost_daemon(tail_of(folder.gang_log()))) {
    host = pool_name(plan, *daemon);
    how = fmt::format("mpirun has lost its daemon on {}", *daemon);
  }
  if (!silent.empty() && (host.empty() || host == silent)) {
    host = silent;
    how += fmt::format("{}it does not answer: {}", how.empty() ? "" : ", and ", why);
  }
  if (how.empty()) return;
  record.set_end(v1::END_NODE_LOST);
  record.set_host(host);
  note(fmt::format("host {} was lost: {}", host, how));
}

// "Remote daemon: [[9378,0],2] on node n1"
std::optional<std::string> lost_daemon(std::string_view mpirun_log) {
  static const std::regex said(
      R"(lost communication with a remote daemon\.\s+HNP daemon\s*: \S{1,64} on node \S{1,256}\s+Remote daemon: \S{1,64} on node (\S{1,256}))");
  std::match_results<std::string_view::const_iterator> found;
  if (!std::regex_search(mpirun_log.begin(), mpirun_log.end(), found, said)) return std::nullopt;
  return found[1].str();
}

}  // namespace rekindle::launch
