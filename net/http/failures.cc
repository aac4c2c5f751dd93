#include "net/http/failures.h"

namespace rekindle::net {
namespace {

constexpr std::chrono::minutes kPeriod{1};
constexpr size_t kAddressesMax = 4'096;

}  // namespace

int Failures::note(const std::string& address, Moment now) {
  if (now - minute_ >= kPeriod) {
    minute_ = now;
    counts_.clear();
  }
  const bool room = counts_.size() < kAddressesMax || counts_.contains(address);
  return ++counts_[room ? address : std::string()];
}

}  // namespace rekindle::net
