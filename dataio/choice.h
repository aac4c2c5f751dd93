// Which of a window's training rows a fit learns from (train.rows). Pure.
//
// A row's lot is a number in [0, 1) that follows from the seed, its event time and its place among the rows
// of that time alone. So a row that is left out of one window is left out of the next one too where its
// chance has not grown, and a draw of two parts is the draw of the whole.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rekindle/v1/job.pb.h"

namespace rekindle::dataio {

// Rows of the window, by event time; `labels` are as dataio/labels.h says, all known.
struct ChoiceRows {
  std::span<const int64_t> times_us;
  std::span<const double> labels;
  int64_t until_us = 0;  // start of the holdout: ages count from here
};

// Positions of the rows that are kept, in order.
//   last, since_drift  all: the window itself is the choice
//   decay              with chance 2^(-age / half_life)
//   reservoir          all of the newest `recent`, and of the older ones those `rows` of the smallest lots
//   balanced           of each class as many as of the rarest, those of the smallest lots
std::vector<uint32_t> chosen(const v1::Rows& rows, uint64_t seed, const ChoiceRows& window);

}  // namespace rekindle::dataio
