#include "core/decide/retired.h"

#include "core/apply.h"

namespace rekindle::core {
namespace {

// Of one event.
constexpr int kRetiredMost = 500;

}  // namespace

void retire_runs(Draft& draft) {
  const Keep& keep = draft.world.keep;
  const int64_t before_us = draft.now_us() - keep.time.count();
  v1::RunsRetired retired;
  for (const auto& [job, over] : draft.state.over) {
    if (over.size() <= keep.runs) continue;
    auto oldest = over.begin();
    for (size_t left = over.size(); left > keep.runs && oldest->first < before_us; --left, ++oldest) {
      if (retired.runs_size() == kRetiredMost) break;
      retired.add_runs(oldest->second.value);
    }
  }
  if (retired.runs_size() > 0) *draft.add().mutable_runs_retired() = std::move(retired);
}

PastRun::PastRun(const State& state, std::string id) : id_(std::move(id)) {
  then_.specs = state.specs;
}

void PastRun::tell(const v1::Event& event) {
  if (run_of(event) != id_) return;
  then_.seq = event.seq() - 1;
  apply(then_, event);
}

std::optional<v1::Run> PastRun::run() const {
  const v1::Run* found = find_run(then_, id_);
  return found == nullptr ? std::optional<v1::Run>() : whole(then_, *found);
}

bool PastRun::over() const {
  const v1::Run* found = find_run(then_, id_);
  return found != nullptr && terminal(found->state());
}

}  // namespace rekindle::core
