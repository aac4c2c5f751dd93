#include "core/decide/restored.h"

#include "core/decide.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

// More than a job has runs between two backups; and a number that shows where the break is.
constexpr uint64_t kPassedOver = 1'000;

// 8 -> 2001, 1003 -> 3001.
uint64_t far_after(uint64_t next) {
  return (next / kPassedOver + 2) * kPassedOver + 1;
}

}  // namespace

v1::Event restored_event(const State& state, v1::Restored restored, Time now) {
  restored.clear_numbers();
  for (const auto& [name, job] : state.jobs) {
    v1::Restored::Numbers& numbers = *restored.add_numbers();
    numbers.set_job(name.value);
    numbers.set_next_run(far_after(job.next_run()));
    const v1::ModelState* model = find_model(state, name.value);
    if (model == nullptr) continue;
    numbers.set_next_version(far_after(registry::next_version(*model)));
    if (model->plan().revision() > 0) numbers.set_plan_revision(far_after(model->plan().revision()));
  }
  v1::Event event;
  event.set_seq(state.seq + 1);
  event.set_time_us(std::max(state.time_us, to_micros(now)));
  event.set_actor(std::string(kSelf));
  *event.mutable_restored() = std::move(restored);
  return event;
}

}  // namespace rekindle::core
