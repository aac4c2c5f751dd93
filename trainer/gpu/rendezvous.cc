#include "trainer/gpu/rendezvous.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/hash.h"
#include "launch/command/identity.h"

namespace rekindle::trainer {
namespace {

constexpr std::chrono::milliseconds kLookInterval{20};
constexpr size_t kIdBytesMax = 4096;

fs::path id_path(const launch::AttemptFolder& folder) {
  return folder.root() / "nccl-id";
}

std::string key(const v1::Plan& plan) {
  return sha256_hex(plan.run() + "/" + std::to_string(plan.attempt()) + "/" + plan.start_nonce());
}

}  // namespace

Result<Place> launched_place(const v1::Plan& plan) {
  const uint32_t world = std::max<uint32_t>(plan.world(), 1);
  const auto found = launch::identity_of([](const char* name) { return std::getenv(name); }, world);
  if (!found.ok()) {
    return failed_precondition("the plan wants " + std::to_string(world) + " ranks, but " +
                               found.status().message() + ": launch the gang with rekindle-gang");
  }
  return Place{found->rank, found->world,
               world == 1 || (found->local_known && found->local_world == found->world)};
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
