// Versions and aliases of one model: lookups, and moves as compare-and-swap with full history. Pure.
//
// Invariant: an alias points at a version that was published; the history's newest entry of an alias says
// where it points.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::registry {

inline constexpr std::string_view kChampion = "champion";
inline constexpr std::string_view kCandidate = "candidate";

const v1::Version* find_version(const v1::ModelState& model, uint64_t number);  // nullptr: none
const v1::Version* version_of_manifest(const v1::ModelState& model, std::string_view manifest);
const v1::Version* version_of_run(const v1::ModelState& model, std::string_view run);
uint64_t next_version(const v1::ModelState& model);
uint64_t alias_target(const v1::ModelState& model, std::string_view alias);  // 0: points nowhere
inline uint64_t champion(const v1::ModelState& model) {
  return alias_target(model, kChampion);
}

struct AliasRequest {
  std::string alias;
  uint64_t to = 0;                   // 0: remove the alias
  std::optional<uint64_t> expected;  // refused with `aborted` when it points elsewhere; 0: nowhere
  std::string actor;
  std::string reason;
};

// nullopt: it already points there.
Result<std::optional<v1::AliasMove>> move_alias(const v1::ModelState& model, const AliasRequest& request,
                                                int64_t now_us);
// Records a move that was decided.
void apply_move(v1::ModelState& model, const v1::AliasMove& move);

// The newest champion before the present one that is not barred; 0: none.
uint64_t champion_before(const v1::ModelState& model);

}  // namespace rekindle::registry
