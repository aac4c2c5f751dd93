#include "core/leaving.h"

#include <algorithm>

#include "core/nodes.h"
#include "proto/time.h"

namespace rekindle::core {
namespace {

int64_t grace_us(const State& state, const v1::Run& run) {
  return from_proto(spec_of(state, run).train().limits().cancel_grace()).count();
}
int64_t limit_us(const State& state, const v1::Run& run) {
  if (run.task() != v1::Plan::TRAIN) return 0;
  return from_proto(spec_of(state, run).train().limits().attempt()).count();
}
int64_t reserve_us(const State& state, const v1::Run& run) {
  return std::min(grace_us(state, run), limit_us(state, run) / 2);
}

}  // namespace

int64_t leave_by_us(const State& state, const v1::Run& run, const v1::Attempt& attempt) {
  const int64_t limit = limit_us(state, run);
  if (limit == 0) return 0;
  // What waits in a queue outside has not begun to use up its limit.
  if (!attempt.queues()) return attempt.placed_us() + limit;
  return attempt.state() == v1::Attempt::PLACED ? 0 : attempt.gang().started_us() + limit;
}

int64_t ask_us(const State& state, const v1::Run& run, const v1::Attempt& attempt) {
  const int64_t leave_by = leave_by_us(state, run, attempt);
  return leave_by == 0 ? 0 : leave_by - reserve_us(state, run);
}

int64_t kill_us(const State& state, const v1::Run& run, const v1::Attempt& attempt) {
  if (!attempt.yield_requested() || attempt.resize_requested() || attempt.kill_requested()) return 0;
  // Still in a queue outside, it has nothing to save.
  if (attempt.queues() && attempt.state() == v1::Attempt::PLACED) return attempt.yield_requested_us();
  if (run.cancel_requested() || !attempt.makes_way_for().empty() || limit_us(state, run) == 0 ||
      !drained_from(state, run, attempt).empty())
    return attempt.yield_requested_us() + grace_us(state, run);
  // A coordinator that was away asks late: the ranks get their time all the same.
  return std::max(leave_by_us(state, run, attempt), attempt.yield_requested_us() + reserve_us(state, run));
}

}  // namespace rekindle::core
