// Resolved specs, each once: many runs share one, and keep its number alone. Numbers count from 1 in the
// order in which specs came, and mean nothing outside the state.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::core {

class KeptSpecs {
 public:
  // The spec's number; one that is kept already stays as it is.
  uint32_t keep(const std::string& sha256, const v1::JobSpec& spec) {
    const auto [found, fresh] = numbers_.try_emplace(sha256, static_cast<uint32_t>(specs_.size()) + 1);
    if (fresh) specs_.push_back(std::make_shared<const Kept>(sha256, spec));
    return found->second;
  }
  uint32_t number(const std::string& sha256) const {  // 0: not kept
    auto found = numbers_.find(sha256);
    return found == numbers_.end() ? 0 : found->second;
  }
  bool has(uint32_t number) const { return number > 0 && number <= specs_.size(); }
  const v1::JobSpec& spec(uint32_t number) const { return at(number).second; }
  const std::string& sha256(uint32_t number) const { return at(number).first; }
  // Their numbers by SHA-256.
  const std::map<std::string, uint32_t>& numbers() const { return numbers_; }

 private:
  using Kept = std::pair<std::string, v1::JobSpec>;
  const Kept& at(uint32_t number) const {
    CHECK(has(number), "the spec of every run is kept");
    return *specs_[number - 1];
  }

  std::vector<std::shared_ptr<const Kept>>
      specs_;  // shared by all copies of a state, and stay where they are
  std::map<std::string, uint32_t> numbers_;
};

}  // namespace rekindle::core
