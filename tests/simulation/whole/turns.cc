#include "tests/simulation/whole/turns.h"

#include <algorithm>

namespace rekindle::whole {

void Turns::begin(Worker& worker) {
  loops_.push_back({&worker, clock_.monotonic()});
}

void Turns::wake(Worker& worker) {
  if (Loop* loop = find(worker)) loop->due = clock_.monotonic();
}

void Turns::end(Worker& worker) {
  std::erase_if(loops_, [&](const Loop& loop) { return loop.worker == &worker; });
}

size_t Turns::due() const {
  const Instant now = clock_.monotonic();
  return static_cast<size_t>(std::count_if(loops_.begin(), loops_.end(),
                                           [now](const Loop& loop) { return loop.due && *loop.due <= now; }));
}

void Turns::take(size_t nth) {
  const Instant now = clock_.monotonic();
  for (Loop& loop : loops_) {
    if (!loop.due || *loop.due > now || nth-- > 0) continue;
    Worker* worker = loop.worker;
    loop.due.reset();
    const std::optional<Micros> rest = worker->take_turn();
    // It may have been woken meanwhile, or have ended.
    Loop* after = find(*worker);
    if (after && rest && (!after->due || *after->due > now + *rest)) after->due = now + *rest;
    return;
  }
}

std::optional<Instant> Turns::next() const {
  std::optional<Instant> next;
  for (const Loop& loop : loops_)
    if (loop.due && (!next || *loop.due < *next)) next = loop.due;
  return next;
}

Turns::Loop* Turns::find(const Worker& worker) {
  for (Loop& loop : loops_)
    if (loop.worker == &worker) return &loop;
  return nullptr;
}

}  // namespace rekindle::whole
