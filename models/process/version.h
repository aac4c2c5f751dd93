// A published version that is served by a process: its files, code and environment laid out, and the program
// started among them.
#pragma once

#include <memory>

#include "models/predictor.h"

namespace rekindle::models {

// Whether versions of this card are answered by a process: anything but a built-in kind.
bool needs_process(const v1::ModelCard& card);

// Folder of the process, under options.scratch: "version" (files of the manifest), "code", "tmp", socket and
// log. It is removed with the predictor. permission_denied: a package or plugin that the operator has not
// allowed.
Result<std::unique_ptr<Predictor>> load_process(const artifacts::Store& store, const v1::Manifest& manifest,
                                                v1::ModelCard card, const PredictorOptions& options);

// Ends what a killed program left running under its options.scratch, and removes the folders; nobody else may
// use the folder.
void sweep_predictors(const fs::path& scratch);

}  // namespace rekindle::models
