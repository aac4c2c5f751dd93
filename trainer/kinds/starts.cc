#include "trainer/kinds/starts.h"

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

models::Parameters deep_initial(const Starts& starts, const models::Head& head, uint64_t seed,
                                const Examples& training) {
  models::Parameters out = starts.values(seed);
  out["fc.bias"] = head.initial_bias(head.rule.constant_answer(training.labels));
  return out;
}

std::vector<double> answers_by_row(const models::Head& head, size_t begin, size_t end,
                                   const std::function<at::Tensor(size_t row)>& logits) {
  const at::NoGradGuard no_grad;
  const size_t width = head.outputs();
  std::vector<double> out((end - begin) * width);
  for (size_t row = begin; row < end; ++row) {
    const at::Tensor raw = logits(row).to(at::kCPU).contiguous();
    head.answer({raw.const_data_ptr<float>(), width}, std::span(out).subspan((row - begin) * width, width));
  }
  return out;
}

at::Tensor targets_of(const models::Head& head, const Examples& examples, std::span<const int64_t> rows,
                      at::Device device) {
  const size_t width = head.target_width();
  const auto out = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, at::kFloat);
  head.targets(examples.labels, rows, std::span(out.mutable_data_ptr<float>(), rows.size() * width));
  return to_device(out, device);
}

}  // namespace rekindle::trainer
