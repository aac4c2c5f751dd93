// One round of judging: what has settled by the end of the oldest slot that is sealed, then that slot. In
// this order, one after the other, whoever asks, and however many slots wait; on it the determinism of a
// replay rests.
//
// Whoever asks tells what the state knows, and tells the state the answer before asking again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/store.h"

namespace rekindle::events {

// profile.json of published versions, which never change. Used on one thread.
class Profiles {
 public:
  Result<std::shared_ptr<const v1::Profile>> find(const artifacts::Store& store, const std::string& manifest);

 private:
  std::map<std::string, std::shared_ptr<const v1::Profile>> by_manifest_;
};

struct Question {
  v1::JobSpec spec;  // resolved
  uint64_t champion = 0;
  std::vector<std::pair<uint64_t, std::string>> manifests;  // by version
  std::vector<v1::Quarantine> quarantines;                  // of the model
  int64_t watermark_us = 0;
  int64_t after_slot_us = 0;
};

struct Answer {
  std::vector<v1::DatasetSnapshot> settled;
  std::optional<v1::JudgedWindow> window;
};

Result<Answer> judge_round(EventStore& events, const artifacts::Store& store, Profiles& profiles,
                           const Question& question);
// Whether after this answer another slot may be sealed.
bool more_to_judge(const Question& question, const Answer& answer);

}  // namespace rekindle::events
