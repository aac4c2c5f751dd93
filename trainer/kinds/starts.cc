#include "trainer/kinds/starts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/hash.h"

namespace rekindle::trainer {
namespace {

constexpr size_t kRowsAtOnce = 256;

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

models::Parameters deep_initial(const Starts& starts, const models::Head& head, uint64_t seed,
                                const Examples& training) {
  models::Parameters out = starts.values(seed);
  out["fc.bias"] = head.initial_bias(head.rule.constant_answer(training.labels));
  return out;
}

std::vector<double> answers_of(const models::Head& head, at::Device device, size_t begin, size_t end,
                               const std::function<at::Tensor(std::span<const int64_t> rows)>& logits) {
  const at::NoGradGuard no_grad;
  const size_t width = head.outputs(), at_once = device.is_cpu() ? 1 : kRowsAtOnce;
  std::vector<double> out((end - begin) * width);
  for (size_t row = begin; row < end; row += at_once) {
    std::vector<int64_t> rows(std::min(at_once, end - row));
    std::iota(rows.begin(), rows.end(), static_cast<int64_t>(row));
    const at::Tensor raw = logits(rows).to(at::kCPU).contiguous();
    const size_t values = rows.size() * width;
    head.answer({raw.const_data_ptr<float>(), values}, std::span(out).subspan((row - begin) * width, values));
  }
  return out;
}

at::Tensor targets_of(const models::Head& head, const Examples& examples, std::span<const int64_t> rows) {
  const size_t width = head.target_width();
  const auto out = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(width)}, at::kFloat);
  head.targets(examples.labels, rows, std::span(out.mutable_data_ptr<float>(), rows.size() * width));
  return out;
}

}  // namespace rekindle::trainer
