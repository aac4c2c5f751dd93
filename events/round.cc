#include "events/round.h"

#include "artifacts/manifest.h"
#include "proto/json.h"
#include "proto/time.h"

namespace rekindle::events {

Result<std::shared_ptr<const v1::Profile>> Profiles::find(const artifacts::Store& store,
                                                          const std::string& manifest) {
  if (auto it = by_manifest_.find(manifest); it != by_manifest_.end()) return it->second;
  v1::Manifest files = TRY(artifacts::load_manifest(store, manifest, artifacts::Verify::kSize));
  std::string json = TRY(artifacts::read_file(store, files, "profile.json"));
  auto profile = std::make_shared<v1::Profile>();
  // A newer trainer may say more.
  if (const Status parsed = from_json(json, profile.get(), UnknownFields::kIgnored); !parsed.ok())
    return data_loss("profile.json of manifest " + manifest + ": " + parsed.message());
  std::shared_ptr<const v1::Profile> kept = profile;
  by_manifest_.emplace(manifest, kept);
  return kept;
}

Result<Answer> judge_round(EventStore& events, const artifacts::Store& store, Profiles& profiles,
                           const Question& question) {
  JudgeInput input;
  input.spec = &question.spec;
  input.champion = question.champion;
  input.watermark_us = question.watermark_us;
  input.after_slot_us = question.after_slot_us;
  input.quarantines = question.quarantines;
  for (const auto& [version, manifest] : question.manifests)
    input.profiles[version] = TRY(profiles.find(store, manifest)).get();
  Answer answer;
  answer.settled = TRY(events.settle(question.spec, TRY(events.settle_until(input)), question.quarantines));
  answer.window = TRY(events.judge_next(input));
  return answer;
}

bool more_to_judge(const Question& question, const Answer& answer) {
  const int64_t slot_us = from_proto(question.spec.data().slot()).count();
  return answer.window && answer.window->slot_us() + 2 * slot_us <= question.watermark_us;
}

}  // namespace rekindle::events
