// The parameters of a module and their gradients: one flat float32 tensor each, on the module's device, with
// the parameters that a kind works with as views into them.
//
// Gradients are added into the views by backward; nobody else replaces a leaf's gradient. Behind the
// gradients lie a few spare numbers, so that what the ranks agree on in a step travels in the same message.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "trainer/kinds/layout.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

class FlatParameters {
 public:
  static constexpr size_t kSpare = 16;

  explicit FlatParameters(std::vector<models::Parameter> parameters, at::Device device = at::kCPU);
  FlatParameters(const FlatParameters&) = delete;  // tensors look into the buffers

  const Layout& layout() const { return layout_; }
  at::Device device() const { return values_.device(); }
  const at::Tensor& values() const { return values_; }          // [layout.size]
  const at::Tensor& gradients() const { return gradients_; }    // [layout.size]
  const at::Tensor& with_spare() const { return with_spare_; }  // [layout.size + kSpare], gradients first
  const at::Tensor& spare() const { return spare_; }            // what follows the gradients
  const std::vector<at::Tensor>& leaves() const { return leaves_; }  // in the layout's order
  const at::Tensor& leaf(const std::string& name) const;             // must be one of the layout's
  void zero_gradients() { with_spare_.zero_(); }

  // To and from the host.
  void load(std::span<const float> values);
  FlatBuffer host() const { return to_host(values_); }

  // A tensor like values(): moments, averages.
  at::Tensor zeros() const { return at::zeros_like(values_); }
  static FlatBuffer to_host(const at::Tensor& flat);
  static void copy_to_host(const at::Tensor& flat, std::span<float> values);
  static void from_host(std::span<const float> values, const at::Tensor& flat);

 private:
  Layout layout_;
  at::Tensor values_, with_spare_, gradients_, spare_;
  std::vector<at::Tensor> leaves_;
};

}  // namespace rekindle::trainer
