#include <cstring>

#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {
namespace {

class LoneRank final : public Collectives {
 public:
  LoneRank() : Collectives(0, 1) {}
  std::string describe() const override { return "one rank"; }
  void sum(std::span<float>) override { count(); }
  void sum(std::span<double>) override { count(); }
  void broadcast(std::span<std::byte>, int) override { count(); }
  void gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    count();
    if (!mine.empty()) std::memcpy(all.data(), mine.data(), mine.size());
  }
  void barrier() override { count(); }
};

}  // namespace

std::unique_ptr<Collectives> lone_rank() {
  return std::make_unique<LoneRank>();
}

}  // namespace rekindle::trainer
