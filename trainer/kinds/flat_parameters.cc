#include "trainer/kinds/flat_parameters.h"

#include <algorithm>

namespace rekindle::trainer {
namespace {

at::Tensor view_of(std::span<const float> values) {
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}, at::kFloat);
}

}  // namespace

FlatParameters::FlatParameters(std::vector<models::Parameter> parameters, at::Device device)
    : layout_(std::move(parameters)) {
  const auto size = static_cast<int64_t>(layout_.size());
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  values_ = at::zeros({size}, options);
  with_spare_ = at::zeros({size + static_cast<int64_t>(kSpare)}, options);
  gradients_ = with_spare_.narrow(0, 0, size);
  spare_ = with_spare_.narrow(0, size, static_cast<int64_t>(kSpare));
  for (const auto& p : layout_.placed()) {
    const auto begin = static_cast<int64_t>(p.begin), elements = static_cast<int64_t>(p.elements);
    auto leaf = values_.narrow(0, begin, elements).view(p.parameter.shape).detach();
    leaf.set_requires_grad(true);
    leaf.mutable_grad() = gradients_.narrow(0, begin, elements).view(p.parameter.shape);
    leaves_.push_back(std::move(leaf));
  }
}

const at::Tensor& FlatParameters::leaf(const std::string& name) const {
  const Placed* placed = layout_.find(name);
  CHECK(placed != nullptr, "no parameter of that name");
  return leaves_[static_cast<size_t>(placed - layout_.placed().data())];
}

void FlatParameters::load(std::span<const float> values) {
  from_host(values, values_);
}

FlatBuffer FlatParameters::to_host(const at::Tensor& flat) {
  FlatBuffer out(static_cast<size_t>(flat.numel()));
  copy_to_host(flat, out);
  return out;
}

void FlatParameters::copy_to_host(const at::Tensor& flat, std::span<float> values) {
  CHECK(static_cast<int64_t>(values.size()) == flat.numel(), "a tensor of another layout");
  if (flat.is_cpu()) {
    std::copy_n(flat.data_ptr<float>(), values.size(), values.data());
    return;
  }
  at::NoGradGuard no_grad;
  view_of(values).copy_(flat);
}

void FlatParameters::from_host(std::span<const float> values, const at::Tensor& flat) {
  CHECK(static_cast<int64_t>(values.size()) == flat.numel(), "parameters of another layout");
  if (flat.is_cpu()) {
    std::copy_n(values.data(), values.size(), flat.data_ptr<float>());
    return;
  }
  at::NoGradGuard no_grad;
  flat.copy_(view_of(values));
}

}  // namespace rekindle::trainer
