#include "trainer/gpu/rendezvous.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/hash.h"

namespace rekindle::trainer {
namespace {

constexpr std::chrono::milliseconds kLookInterval{20};
constexpr size_t kIdBytesMax = 4096;

std::optional<int> number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int out = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), out);
  if (error != std::errc() || end != view.data() + view.size() || out < 0) return std::nullopt;
  return out;
}

fs::path id_path(const launch::AttemptFolder& folder) {
  return folder.root() / "nccl-id";
}

std::string key(const v1::Plan& plan) {
  return sha256_hex(plan.run() + "/" + std::to_string(plan.attempt()) + "/" + plan.start_nonce());
}

}  // namespace

Result<Place> launched_place(const v1::Plan& plan) {
  const int world = static_cast<int>(std::max<uint32_t>(plan.world(), 1));
  // The names of Open MPI, PMIx (whose clients are not told the size here) and Slurm.
  struct Names {
    const char* rank;
    const char* size;
    const char* here;  // ranks on this host
  };
  for (const Names names :
       {Names{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        Names{"SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"},
        Names{"PMIX_RANK", "PMIX_SIZE", "PMIX_LOCAL_SIZE"}}) {
    const auto rank = number(names.rank);
    if (!rank) continue;
    const int size = number(names.size).value_or(world);
    if (size != world || *rank >= world) {
      return failed_precondition("the plan wants " + std::to_string(world) + " ranks, but " + names.rank +
                                 "=" + std::to_string(*rank) + " of " + std::to_string(size) +
                                 " was started: launch the gang with rekindle-gang");
    }
    return Place{*rank, world, number(names.here).value_or(1) == world};
  }
  if (world == 1) return Place{};
  return failed_precondition("the plan wants " + std::to_string(world) +
                             " ranks, but this one was started alone: launch the gang with rekindle-gang");
}

Status offer_gang_id(const launch::AttemptFolder& folder, const v1::Plan& plan, std::string_view id) {
  return write_file_durably(id_path(folder), key(plan) + "\n" + std::string(id));
}

Result<std::string> await_gang_id(const launch::AttemptFolder& folder, const v1::Plan& plan,
                                  std::chrono::milliseconds limit) {
  const std::string head = key(plan) + "\n";
  const auto until = std::chrono::steady_clock::now() + limit;
  while (true) {
    const auto content = read_file(id_path(folder), kIdBytesMax);
    if (content.ok() && content->starts_with(head)) return content->substr(head.size());
    if (std::chrono::steady_clock::now() >= until) {
      const std::string found =
          content.ok() ? "the file there is of another attempt" : content.status().message();
      return unavailable("rank 0 offered no NCCL id within " + std::to_string(limit.count() / 1000) + " s (" +
                         found + "): see its log, and whether all hosts share " + folder.root().string());
    }
    std::this_thread::sleep_for(kLookInterval);
  }
}

}  // namespace rekindle::trainer
