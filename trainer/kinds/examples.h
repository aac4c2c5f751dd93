// Rows as the kinds take them: every rank holds all of a window's rows, in the order of their event time.
//
// A kind reads what its inputs are made of and nothing else; the loop reads `rows` alone.
#pragma once

#include <functional>
#include <vector>

#include "dataio/images/pixel_rows.h"
#include "dataio/transforms.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::trainer {

struct Examples {
  dataio::Encoded encoded;               // numbers and categories: linear, tabular, plugin
  dataio::PixelRows images;              // cnn
  std::vector<dataio::TokenRow> tokens;  // transformer: within the vocabulary; nullptr: none
  std::vector<double> labels;            // one a row, as dataio/labels.h says

  size_t rows() const { return labels.size(); }
};

// What the card's kind takes of these rows; labels are the caller's to add. invalid_argument names a missing
// column, an image that cannot be decoded or a token outside the vocabulary. `advance` is called now and
// then.
Result<Examples> make_examples(const v1::ModelCard& card, const dataio::Table& rows,
                               const std::function<void()>& advance = {});

// The card's column of images or tokens; nullptr when it has none.
const v1::Column* input_of_type(const v1::ModelCard& card, v1::ColumnType type);

}  // namespace rekindle::trainer
