// The kind `cnn`: a small ResNet over images, as torchvision names it and CIFAR's begins (a 3x3 convolution,
// no pooling before the stages), with GroupNorm where the paper has BatchNorm: the statistics of a batch
// would tie a row's answer to the rows beside it and to how many ranks share them.
#pragma once

#include "models/heads.h"
#include "trainer/kinds/module.h"
#include "trainer/kinds/starts.h"

namespace rekindle::trainer {

Result<std::unique_ptr<Module>> make_cnn(const v1::ModelCard& card, at::Device device);

class Cnn final : public TensorModule {
 public:
  Cnn(const v1::Cnn& spec, models::Head head, at::Device device);

  models::Parameters initial(uint64_t seed, const Examples& training) const override;
  // Images, moved as chance has it, and targets.
  Batch batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const override;
  at::Tensor batch_loss(const Batch& batch, double scale) const override;
  std::vector<double> outputs(const Examples& examples, size_t begin, size_t end) const override;

  // Raw outputs [n, head.outputs()] of normalised images [n, channels, size, size].
  at::Tensor forward(at::Tensor images) const;

 private:
  struct Conv {
    at::Tensor weight;
    int64_t stride = 1, padding = 0;
  };
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Block {
    Conv conv1, conv2, shortcut;  // no shortcut: the input itself
    Norm norm1, norm2, shortcut_norm;
  };
  Conv conv(const std::string& name, int64_t stride) const;
  Norm norm(const std::string& name) const;

  v1::Cnn spec_;
  models::Head head_;
  Conv conv1_;
  Norm norm1_;
  std::vector<Block> blocks_;
  at::Tensor fc_weight_, fc_bias_;
};

}  // namespace rekindle::trainer
