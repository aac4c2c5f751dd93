// Versions as a rank and rekindle-predict see them: every kind, those that need LibTorch among them.
#pragma once

#include <memory>

#include "base/files.h"
#include "models/predictor.h"
#include "trainer/plugin/code.h"

namespace rekindle::trainer {

// From a folder with the version's files: what rekindle-predict serves. unimplemented names a kind that this
// build does not know.
Result<std::unique_ptr<models::Predictor>> load_version(const fs::path& folder);

// A model kind of ours, within this process, from the bytes of model.safetensors: how a rank judges what it
// has just trained.
Result<std::unique_ptr<models::Predictor>> make_version(const v1::ModelCard& card,
                                                        std::string_view safetensors, PluginCode code = {});

}  // namespace rekindle::trainer
