// What a job's candidates (train.candidates) come to.
#pragma once

#include <cstdint>
#include <string>

#include "rekindle/v1/job.pb.h"

namespace rekindle {

// "train as it stands", "candidate 2".
inline std::string candidate_name(uint32_t number) {
  return number == 0 ? "train as it stands" : "candidate " + std::to_string(number);
}

// As its candidate of this number has it, from 1; 0: as it stands. Without candidates of its own.
inline v1::Train train_of(const v1::Train& train, int number) {
  v1::Train out = train;
  out.clear_candidates();
  if (number == 0) return out;
  const v1::Candidate& other = train.candidates(number - 1);
  if (other.has_rows()) *out.mutable_rows() = other.rows();
  if (other.has_start()) *out.mutable_start() = other.start();
  if (other.has_model()) *out.mutable_model() = other.model();
  if (other.has_optimizer()) *out.mutable_optimizer() = other.optimizer();
  return out;
}

}  // namespace rekindle
