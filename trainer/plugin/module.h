// The kind `plugin` as a module: the library's loss and gradients, brought into LibTorch's graph so that
// every way of reducing gradients works.
#pragma once

#include "trainer/kinds/module.h"
#include "trainer/plugin/library.h"

namespace rekindle::trainer {

// `code`: the unpacked folder of train.code, in which the library lies.
Result<std::unique_ptr<Module>> make_plugin(const v1::ModelCard& card, const fs::path& code,
                                            at::Device device);

class Plugin final : public Module {
 public:
  Plugin(std::unique_ptr<PluginLibrary> library, models::Head head);

  models::Parameters initial(uint64_t seed, const Examples& training) const override;
  // Throws std::runtime_error with the library's message: the attempt cannot go on.
  at::Tensor loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                  double scale) override;
  std::vector<double> outputs(const Examples& examples, size_t begin, size_t end) const override;

 private:
  PluginLibrary::Values values() const;

  std::unique_ptr<PluginLibrary> library_;
  models::Head head_;
};

}  // namespace rekindle::trainer
