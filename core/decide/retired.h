// Runs that ended long ago leave the state, which would grow for ever otherwise; the journal keeps what it
// holds of them. Pure.
#pragma once

#include <optional>
#include <vector>

#include "core/decide/draft.h"

namespace rekindle::core {

// Of each job the oldest runs that are over, made no version, and are neither among the newest nor of late
// (World::keep), a few at a time.
void retire_runs(Draft& draft);

// The run that events of its job tell of, in order of seq, as it was when it left the state; nothing: they do
// not tell of it. `state`: as it is now.
class PastRun {
 public:
  PastRun(const State& state, std::string id);
  void tell(const v1::Event& event);
  std::optional<v1::Run> run() const;  // with its spec
  bool over() const;                   // nothing of it follows

 private:
  std::string id_;
  State then_;
};

}  // namespace rekindle::core
