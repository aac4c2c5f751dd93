// Collectives by a transport (shared window, messages): each operation is counted, then done by it.
#pragma once

#include <utility>

#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {

template <typename Transport>
class Counted : public Collectives {
 public:
  void sum(std::span<float> v) override { count(), transport_.sum(v); }
  void sum(std::span<double> v) override { count(), transport_.sum(v); }
  void broadcast(std::span<std::byte> b, int root) override { count(), transport_.broadcast(b, root); }
  void gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    count(), transport_.gather(mine, all);
  }
  void barrier() override { count(), transport_.barrier(); }

 protected:
  Counted(int rank, int size, Transport transport)
      : Collectives(rank, size), transport_(std::move(transport)) {}

 private:
  Transport transport_;
};

}  // namespace rekindle::trainer
