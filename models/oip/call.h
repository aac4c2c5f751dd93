// The caller's side of the Open Inference Protocol: rows to the body of an infer call, and the answer back to
// predictions. Pure.
//
// Columns are the card's inputs, one tensor of shape [n] each: numbers FP64, texts BYTES, booleans BOOL,
// times INT64 microseconds of UTC, images BYTES of base64; null is a missing value. Tokens are INT64
// [n, length] with -1 after a row's last. JSON has no infinity: the largest double stands for it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "dataio/table.h"
#include "models/predictor.h"

namespace rekindle::models {

// The inputs of `card` among the table's columns; the event time is left out when the table has none. An
// input that is missing, or of another type, is an invalid_argument that names it.
Result<std::vector<const dataio::Column*>> find_inputs(const v1::ModelCard& card, const dataio::Table& rows);

// Where a part that begins at row `begin` ends: after at most `rows_max` rows, sooner where rows are images.
size_t part_end(const std::vector<const dataio::Column*>& inputs, size_t begin, size_t rows_max);

// The body of an infer call for rows [begin, end).
std::string to_request(const std::vector<const dataio::Column*>& inputs, size_t begin, size_t end);

// The first output's values. Anything but rows * width finite numbers is an internal error that says what
// came instead.
Result<std::vector<double>> read_answer(std::string_view body, size_t rows, size_t width);

// The message of an error answer: its "error", or the beginning of whatever came.
std::string error_text(std::string_view body);

}  // namespace rekindle::models
