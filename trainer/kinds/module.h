// A model kind as the loop sees it: parameters in flat buffers, a differentiable loss over some rows, and
// outputs as the published predictor would give them.
//
// The loop knows no kind; a kind knows neither ranks nor optimizers nor checkpoints. A kind is one file in
// this folder (`plugin` a folder of its own), one line in make_module and one in predict/load.cc. What
// LibTorch can differentiate is a TensorModule: it works on a GPU too.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/model.pb.h"
#include "trainer/kinds/dropout.h"
#include "trainer/kinds/examples.h"
#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

class Module {
 public:
  virtual ~Module() = default;

  FlatParameters& parameters() { return parameters_; }
  const FlatParameters& parameters() const { return parameters_; }
  const Layout& layout() const { return parameters_.layout(); }

  // Parameters at the start of a fit: from the seed, the same on every rank; a kind may begin at the
  // mean of the training rows' labels.
  virtual models::Parameters initial(uint64_t seed, const Examples& training) const = 0;

  // The sum of the rows' losses times `scale`, as a scalar to differentiate. `rows` are positions in
  // `examples`; without rows it is 0 and still touches every parameter, because the other ranks wait for
  // gradients. What chance decides follows from `key`.
  virtual at::Tensor loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                          double scale) = 0;

  // The same with the gradients added to the flat buffer, where a kind has a quicker way than autograd;
  // nothing where it has not. Equal to loss() but for rounding.
  virtual std::optional<double> add_gradients(const Examples& /*examples*/, std::span<const int64_t> /*rows*/,
                                              const StepKey& /*key*/, double /*scale*/) {
    return std::nullopt;
  }

  // What the published predictor would answer for rows [begin, end): [rows, outputs], row-major.
  virtual std::vector<double> outputs(const Examples& examples, size_t begin, size_t end) const = 0;

 protected:
  explicit Module(std::vector<models::Parameter> parameters, at::Device device = at::kCPU)
      : parameters_(std::move(parameters), device) {}

  // 0, by way of every parameter.
  at::Tensor loss_of_no_rows() const;

 private:
  FlatParameters parameters_;
};

// This rank's rows of a step: positions in its examples, and what chance follows from.
struct StepRows {
  std::span<const int64_t> rows;
  StepKey key;
};

// What a step takes of its rows: inputs, targets, and what chance drew for them.
using Batch = std::vector<at::Tensor>;

// A kind whose loss is made of LibTorch's operations: host and device do their parts apart, so that the
// device's can be recorded and repeated.
class TensorModule : public Module {
 public:
  // Of some rows, at least one, on the host; the shapes depend on the rows alone, or on nothing but their
  // number. The tensors are the caller's.
  virtual Batch batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const = 0;
  // loss() of a batch that lies on the module's device. Does not wait for it.
  virtual at::Tensor batch_loss(const Batch& batch, double scale) const = 0;

  at::Tensor loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                  double scale) final;

 protected:
  using Module::Module;
};

// The module of a model card (kind, transforms, label), with zero parameters. Refuses what cannot be:
// invalid_argument or unimplemented with what to change. `code`: the unpacked train.code, in which a plugin's
// library lies.
Result<std::unique_ptr<Module>> make_module(const v1::ModelCard& card, at::Device device = at::kCPU,
                                            const fs::path& code = {});

}  // namespace rekindle::trainer
