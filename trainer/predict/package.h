// A package: what torch.export and AOTInductor made of a model, as compiled code in one .pt2 file.
//
// Its forward takes one tensor float32 [rows, numbers], the card's number inputs in order with NaN where a
// value is missing, and, when the card has text inputs, another int64 [rows, texts] of category numbers:
// i + 1 for the i-th value that categories.json lists for the column, 0 for all else. It gives one tensor
// [rows] or [rows, width] of floats: probabilities, or the number itself.
#pragma once

#include <memory>

#include "base/files.h"
#include "models/predictor.h"

namespace rekindle::trainer {

// `folder` holds the version's files. invalid_argument or data_loss say what is wrong with the package.
Result<std::unique_ptr<models::Predictor>> load_package(const v1::ModelCard& card, const fs::path& folder);

}  // namespace rekindle::trainer
