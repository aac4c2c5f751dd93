// The Open Inference Protocol's infer call from a client's side: rows as named JSON tensors, the answer as
// numbers and the version that gave them. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataio/labels.h"
#include "dataio/table.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli::replay {

// The model's inputs of these rows: numbers as FP64 (missing: null), texts as BYTES (missing: null), the
// event time as INT64 microseconds. `record` false: answered, but not counted and not kept (operator's
// token).
std::string infer_body(const dataio::Table& table, const v1::Data& data, std::span<const uint32_t> rows,
                       std::string_view id, bool record);

struct Answer {
  uint64_t version = 0;
  std::vector<double> values;  // rule.outputs() a row; classes that the version does not know have 0
};
// data_loss when the answer is not one of the rule's per row.
Result<Answer> read_answer(std::string_view body, size_t rows, const dataio::LabelRule& rule);
// The words of an error body, or its beginning.
std::string error_words(std::string_view body);

}  // namespace rekindle::cli::replay
