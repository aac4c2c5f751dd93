// Predictors of the kinds that LibTorch computes: the module that was trained, with its published parameters.
//
// Rows are answered one by one, so that an answer's bits do not depend on the rows beside it.
#pragma once

#include "models/predictor.h"
#include "trainer/plugin/code.h"

namespace rekindle::trainer {

// From model.json's message and the bytes of model.safetensors. `code` is kept while it lives.
Result<std::unique_ptr<models::Predictor>> make_module_predictor(const v1::ModelCard& card,
                                                                 std::string_view safetensors,
                                                                 PluginCode code = {});

}  // namespace rekindle::trainer
