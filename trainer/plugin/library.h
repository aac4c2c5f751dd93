// A user's shared library behind rekindle_plugin.h, every answer of it checked before it is used.
//
// A library is code: what it does to memory that is not its own, or when it crashes, ends the process. What
// it answers wrongly ends in a message: another version, missing functions, impossible shapes, values that
// are not finite, writes past the end of a buffer (seen by the guards behind each).
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "dataio/transforms.h"
#include "models/heads.h"
#include "models/network.h"
#include "trainer/kinds/dropout.h"
#include "trainer/plugin/rekindle_plugin.h"

namespace rekindle::trainer {

class PluginLibrary {
 public:
  // Loads `library` of the folder `code` and opens its model for the card. invalid_argument when the library
  // is not one, or refuses.
  static Result<std::unique_ptr<PluginLibrary>> open(const fs::path& code, const v1::ModelCard& card,
                                                     const models::Head& head);
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;

  const std::vector<models::Parameter>& parameters() const { return parameters_; }
  Result<models::Parameters> start(uint64_t seed) const;

  // Values of each parameter, in the order of parameters().
  using Values = std::vector<const float*>;
  struct Loss {
    double sum = 0;
    std::vector<std::vector<float>> gradients;  // of each parameter
  };
  Result<Loss> loss(const Values& values, const dataio::Encoded& rows, std::span<const float> targets,
                    const StepKey& key, double scale) const;
  Result<std::vector<float>> outputs(const Values& values, const dataio::Encoded& rows) const;

 private:
  PluginLibrary() = default;
  Status load(const fs::path& path);
  Status open_model(const v1::ModelCard& card, const models::Head& head);
  Status read_parameters();
  Status said(const char* message, std::string_view doing) const;
  Status wrong(std::string_view what) const;

  std::string name_;
  mutable std::mutex one_at_a_time_;  // calls of the model: serving answers from many threads
  void* handle_ = nullptr;
  const rekindle_plugin_table* table_ = nullptr;
  void* model_ = nullptr;
  std::vector<models::Parameter> parameters_;
  size_t outputs_ = 1;
};

}  // namespace rekindle::trainer
