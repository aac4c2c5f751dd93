#include "launch/command/identity.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

#include "base/files/passing_files.h"
#include "base/files/plain_file.h"

namespace rekindle::launch {
namespace {

constexpr int kPortFirst = 10'000;
constexpr int kPortLast = 32'000;  // Linux gives away ports from 32768 on unless told otherwise

std::optional<int> number(std::string_view text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 0) return std::nullopt;
  return out;
}

// SLURM_STEP_TASKS_PER_NODE: "2", "2(x3)", "2,1(x2)"; the entry of this node.
std::optional<int> tasks_of_node(std::string_view text, int node) {
  while (!text.empty()) {
    std::string_view entry = text.substr(0, text.find(','));
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
    int times = 1;
    if (const size_t bracket = entry.find("(x"); bracket != std::string_view::npos) {
      const std::string_view repeated = entry.substr(bracket + 2);
      times = number(repeated.substr(0, repeated.find(')'))).value_or(1);
      entry = entry.substr(0, bracket);
    }
    if (node < times) return number(entry);
    node -= times;
  }
  return std::nullopt;
}

// Reads named variables; the first that is no number spoils all.
class Reader {
 public:
  explicit Reader(const Variables& variables) : variables_(variables) {}
  bool has(const char* name) const { return variables_(name) != nullptr; }
  int get(const char* name, int otherwise) {
    const char* text = variables_(name);
    if (text == nullptr) return otherwise;
    const std::optional<int> value = number(text);
    if (!value.has_value() && problem_.empty()) problem_ = fmt::format("{}='{}' is not a number", name, text);
    return value.value_or(otherwise);
  }
  const std::string& problem() const { return problem_; }

 private:
  const Variables& variables_;
  std::string problem_;
};

bool listened_on(int port) {
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return true;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  return ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0;
}

// A name in the kernel's own space of names: held while the socket lives, gone with its holder.
Fd claim_name(const std::string& name) {
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return {};
  return fd;
}

}  // namespace

Result<RankIdentity> identity_of(const Variables& variables, uint32_t world) {
  Reader read(variables);
  RankIdentity out;
  out.world = static_cast<int>(world);
  if (read.has("OMPI_COMM_WORLD_RANK")) {
    out.rank = read.get("OMPI_COMM_WORLD_RANK", 0);
    out.world = read.get("OMPI_COMM_WORLD_SIZE", out.world);
    out.local_rank = read.get("OMPI_COMM_WORLD_LOCAL_RANK", out.rank);
    out.local_known = read.has("OMPI_COMM_WORLD_LOCAL_SIZE");
    out.local_world = read.get("OMPI_COMM_WORLD_LOCAL_SIZE", out.world);
  } else if (read.has("SLURM_PROCID")) {
    out.rank = read.get("SLURM_PROCID", 0);
    out.world = read.get("SLURM_STEP_NUM_TASKS", read.get("SLURM_NTASKS", out.world));
    out.local_rank = read.get("SLURM_LOCALID", out.rank);
    const char* layout = variables("SLURM_STEP_TASKS_PER_NODE");
    std::optional<int> here;
    if (layout != nullptr) here = tasks_of_node(layout, read.get("SLURM_NODEID", 0));
    out.local_known = here.has_value();
    out.local_world = here.value_or(out.world);
  } else if (read.has("PMIX_RANK")) {
    out.rank = read.get("PMIX_RANK", 0);
    out.world = read.get("PMIX_SIZE", out.world);
    out.local_rank = out.rank;
    out.local_known = read.get("PMIX_LOCAL_SIZE", 0) == out.world;
    out.local_world = out.world;
  } else if (world > 1) {
    return failed_precondition(
        "neither OMPI_COMM_WORLD_RANK, SLURM_PROCID nor PMIX_RANK is set: mpirun or srun starts the ranks of "
        "a gang");
  }
  if (!read.problem().empty()) return invalid_argument(read.problem());
  if (out.world != static_cast<int>(world))
    return failed_precondition(fmt::format("{} ranks were started, the plan has {}", out.world, world));
  if (out.rank >= out.world || out.local_rank >= out.local_world)
    return invalid_argument(fmt::format("rank {} of {}, {} of {} on this host, cannot be", out.rank,
                                        out.world, out.local_rank, out.local_world));
  return out;
}

Result<ClaimedPort> claim_port() {
  constexpr int kPorts = kPortLast - kPortFirst;
  // Gangs begin at different places, so that a claim that just ended is not taken up again at once.
  const int begin = static_cast<int>(::getpid()) * 7 % kPorts;
  for (int i = 0; i < kPorts; ++i) {
    const int port = kPortFirst + (begin + i) % kPorts;
    ClaimedPort out{claim_name(fmt::format("rekindle-port-{}", port)), port};
    if (out.claim.valid() && !listened_on(port)) return out;
  }
  return unavailable(fmt::format("no TCP port from {} to {} is free on this host", kPortFirst, kPortLast));
}

Status publish_meeting(const fs::path& path, const Meeting& meeting) {
  return write_file_atomically(path, fmt::format("{} {}\n", meeting.address, meeting.port), 0640);
}

Result<Meeting> read_meeting(const fs::path& path) {
  const std::string text = TRY(read_plain_file(path));
  Meeting out;
  const size_t blank = text.find(' ');
  if (blank == std::string::npos) return data_loss(path.string() + " is damaged");
  out.address = text.substr(0, blank);
  out.port = number(std::string_view(text).substr(blank + 1, text.find('\n') - blank - 1)).value_or(0);
  if (out.port == 0) return data_loss(path.string() + " is damaged");
  return out;
}

}  // namespace rekindle::launch
