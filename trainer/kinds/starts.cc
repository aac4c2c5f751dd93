#include "trainer/kinds/starts.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "trainer/gpu/device.h"

namespace rekindle::trainer {
namespace {

double drawn(uint64_t counter, uint64_t key) {  // in (-1, 1)
  const uint64_t bits = stable_hash({reinterpret_cast<const char*>(&counter), sizeof counter}, key);
  return (static_cast<double>(bits >> 11) + 0.5) * 0x1.0p-52 - 1.0;
}

}  // namespace

void Starts::zeros(std::string name, std::vector<int64_t> shape) {
  starts_.push_back({{std::move(name), std::move(shape)}});
}

void Starts::ones(std::string name, std::vector<int64_t> shape) {
  starts_.push_back({{std::move(name), std::move(shape)}, Start::Kind::kOne});
}

void Starts::uniform(std::string name, std::vector<int64_t> shape, double deviation) {
  starts_.push_back({{std::move(name), std::move(shape)}, Start::Kind::kUniform, std::sqrt(3.0) * deviation});
}

std::vector<models::Parameter> Starts::parameters() const {
  std::vector<models::Parameter> out;
  for (const Start& start : starts_) out.push_back(start.parameter);
  return out;
}

models::Parameters Starts::values(uint64_t seed) const {
  models::Parameters out;
  for (const Start& start : starts_) {
    auto& values = out[start.parameter.name];
    values.assign(static_cast<size_t>(start.parameter.elements()),
                  start.kind == Start::Kind::kOne ? 1.0f : 0.0f);
    if (start.kind != Start::Kind::kUniform) continue;
    const uint64_t key = stable_hash(start.parameter.name, seed);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(start.bound * drawn(i, key));
  }
  return out;
}

at::Tensor loss_of_no_rows(const FlatParameters& parameters) {
  at::Tensor sum = at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(parameters.device()));
  for (const at::Tensor& leaf : parameters.leaves()) sum = sum + leaf.sum() * 0;
  return sum;
}

at::Tensor targets_of(const models::Head& head, const Examples& examples, std::span<const int64_t> rows,
                      at::Device device) {
  const size_t width = head.target_width();
  const auto out = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, at::kFloat);
  float* to = out.mutable_data_ptr<float>();
  for (const int64_t row : rows) {
    head.target(examples.labels[static_cast<size_t>(row)], {to, width});
    to += width;
  }
  return to_device(out, device);
}

}  // namespace rekindle::trainer
