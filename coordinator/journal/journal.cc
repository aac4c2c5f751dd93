#include "coordinator/journal/journal.h"

#include "core/apply.h"

namespace rekindle::coordinator {

std::string subject_of(const v1::Event& event) {
  if (event.has_snapshot_added()) return event.snapshot_added().dataset();
  if (std::string model = core::model_of(event); !model.empty()) return model;
  // "flight-delay-3" -> "flight-delay": the number is always the last part.
  const std::string run = core::run_of(event);
  return run.substr(0, run.rfind('-'));
}

std::string kind_of(const v1::Event& event) {
  const auto* oneof = v1::Event::descriptor()->FindOneofByName("what");
  const auto* field = event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  return field == nullptr ? "" : field->name();
}

}  // namespace rekindle::coordinator
