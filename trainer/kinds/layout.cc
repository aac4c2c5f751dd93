#include "trainer/kinds/layout.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "models/safetensors.h"

namespace rekindle::trainer {

Layout::Layout(std::vector<models::Parameter> parameters) {
  std::stable_partition(parameters.begin(), parameters.end(),
                        [](const auto& p) { return p.shape.size() > 1; });
  constexpr size_t kLine = 64 / sizeof(float);
  for (auto& p : parameters) {
    Placed placed{p, size_, static_cast<size_t>(p.elements())};
    size_ += (placed.elements + kLine - 1) / kLine * kLine;
    if (p.shape.size() > 1) decayed_ = size_;
    placed_.push_back(std::move(placed));
  }
}

const Placed* Layout::find(const std::string& name) const {
  auto at =
      std::find_if(placed_.begin(), placed_.end(), [&](const auto& p) { return p.parameter.name == name; });
  return at == placed_.end() ? nullptr : &*at;
}

FlatBuffer Layout::flat(const models::Parameters& parameters) const {
  FlatBuffer out = zeros();
  for (const auto& p : placed_) {
    const auto& values = parameters.at(p.parameter.name);
    std::copy(values.begin(), values.end(), out.begin() + static_cast<ptrdiff_t>(p.begin));
  }
  return out;
}

models::Parameters Layout::named(std::span<const float> flat) const {
  models::Parameters out;
  for (const auto& p : placed_) {
    auto part = flat.subspan(p.begin, p.elements);
    out[p.parameter.name].assign(part.begin(), part.end());
  }
  return out;
}

std::string Layout::sha256(std::span<const float> flat) const {
  Sha256 hash;
  for (const auto& p : placed_) {
    std::string head = p.parameter.name;
    for (int64_t size : p.parameter.shape) head += "," + std::to_string(size);
    hash.update(head + "\n");
    auto part = flat.subspan(p.begin, p.elements);
    hash.update({reinterpret_cast<const char*>(part.data()), part.size_bytes()});
  }
  return hash.finish_hex();
}

void Layout::add_tensors(const std::string& prefix, std::span<const float> flat,
                         std::vector<models::NamedTensor>& out) const {
  for (const auto& p : placed_) {
    auto part = flat.subspan(p.begin, p.elements);
    out.push_back({prefix + p.parameter.name,
                   "F32",
                   p.parameter.shape,
                   {reinterpret_cast<const char*>(part.data()), part.size_bytes()}});
  }
}

std::string Layout::safetensors(std::span<const float> flat) const {
  std::vector<models::NamedTensor> tensors;
  add_tensors("", flat, tensors);
  return models::write_safetensors(std::move(tensors), {{"format", "rekindle"}});
}

}  // namespace rekindle::trainer
