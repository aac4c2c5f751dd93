#include "models/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "models/safetensors.h"

namespace rekindle::models {
namespace {

constexpr int64_t kParametersMax = int64_t{1} << 31;

// SplitMix64's finaliser: a counter in, 64 well mixed bits out.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

double uniform(uint64_t key, uint64_t counter) {  // in (-1, 1)
  return (static_cast<double>(mix(key ^ mix(counter)) >> 11) + 0.5) * 0x1.0p-52 - 1.0;
}

std::vector<float> uniform_values(int64_t count, double bound, uint64_t key) {
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(bound * uniform(key, i));
  return out;
}

}  // namespace

int64_t Parameter::elements() const {
  int64_t n = 1;
  for (int64_t size : shape) n *= size;
  return n;
}

int64_t embedding_width(int64_t values, uint32_t limit) {
  auto rule = static_cast<int64_t>(std::lround(1.6 * std::pow(static_cast<double>(values), 0.56)));
  return std::clamp<int64_t>(rule, 1, std::max<int64_t>(limit, 1));
}

int64_t Network::input_width() const {
  return layers.front().inputs;
}

std::vector<Parameter> Network::parameters() const {
  std::vector<Parameter> out;
  for (const auto& e : embeddings) out.push_back({e.parameter, {e.rows, e.width}});
  for (const auto& l : layers) {
    out.push_back({l.bias, {l.outputs}});
    out.push_back({l.weight, {l.outputs, l.inputs}});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

Result<Network> network_of(const v1::ModelCard& card) {
  Network out;
  out.head = TRY(head_of(card));
  const auto outputs = static_cast<int64_t>(out.head.outputs());
  const bool linear = card.kind().kind_case() == v1::Model::kLinear;
  if (!linear && card.kind().kind_case() != v1::Model::kTabular) {
    return unimplemented("the model card names no kind that this build knows: linear or tabular");
  }
  for (const auto& n : card.transforms().numeric()) out.numeric += n.indicator() ? 2 : 1;
  const auto& tabular = card.kind().tabular();
  int64_t input = out.numeric;
  for (const auto& c : card.transforms().categorical()) {
    Embedding e{"embedding." + c.column(), c.values_size() + 1, outputs};
    if (!linear) {
      e.width = embedding_width(e.rows, tabular.embedding());
      input += e.width;
    }
    out.embeddings.push_back(std::move(e));
  }
  if (out.numeric == 0 && out.embeddings.empty()) {
    return invalid_argument("the model has no inputs: data.numeric and data.categorical are both empty");
  }
  auto add_layer = [&](int64_t inputs, int64_t outputs) {
    std::string name = "layer" + std::to_string(out.layers.size());
    out.layers.push_back({name + ".weight", name + ".bias", inputs, outputs});
  };
  if (linear) {
    out.additive = true;
    add_layer(out.numeric, outputs);
  } else {
    out.dropout = tabular.dropout();
    if (!(out.dropout >= 0 && out.dropout < 1)) {
      return invalid_argument("train.model.tabular.dropout must be at least 0% and below 100%");
    }
    for (uint32_t width : tabular.hidden()) {
      if (width == 0 || width > 8192) {
        return invalid_argument("train.model.tabular.hidden: a width must be between 1 and 8192");
      }
      add_layer(input, width);
      input = width;
    }
    add_layer(input, outputs);
  }
  int64_t elements = 0;
  for (const auto& p : out.parameters()) {
    elements += p.elements();
    if (elements > kParametersMax) return invalid_argument("the model has more than 2^31 parameters");
  }
  return out;
}

Parameters initial_parameters(const Network& network, uint64_t seed, const std::vector<double>& constant) {
  Parameters out;
  for (const auto& e : network.embeddings) {
    auto& values = out[e.parameter];
    // An additive embedding is a coefficient: it begins at zero like the other weights of the logits.
    double bound = network.additive ? 0.0 : std::sqrt(1.0 / static_cast<double>(e.width));
    values = uniform_values(e.rows * e.width, bound, stable_hash(e.parameter, seed));
    std::fill_n(values.begin(), e.width, 0.0f);  // row 0: unknown
  }
  for (const auto& l : network.layers) {
    const bool output = &l == &network.layers.back();
    double bound = output ? 0.0 : std::sqrt(6.0 / static_cast<double>(std::max<int64_t>(l.inputs, 1)));
    out[l.weight] = uniform_values(l.inputs * l.outputs, bound, stable_hash(l.weight, seed));
    out[l.bias].assign(static_cast<size_t>(l.outputs), 0.0f);
  }
  out[network.layers.back().bias] = network.head.initial_bias(constant);
  return out;
}

std::string save_parameters(const Network& network, const Parameters& parameters) {
  std::vector<NamedTensor> tensors;
  for (const auto& p : network.parameters()) {
    const auto& values = parameters.at(p.name);
    tensors.push_back({p.name,
                       "F32",
                       p.shape,
                       {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}});
  }
  return write_safetensors(std::move(tensors), {{"format", "rekindle"}});
}

Result<Parameters> read_parameters(const Network& network, std::string_view safetensors) {
  auto file = TRY(parse_safetensors(safetensors));
  Parameters out;
  for (const auto& p : network.parameters()) out[p.name] = TRY(file.floats(p.name, p.shape));
  if (file.tensors.size() != out.size()) {
    for (const auto& [name, tensor] : file.tensors) {
      if (!out.contains(name))
        return data_loss("model.safetensors holds '" + name + "', which the model card does not name");
    }
  }
  return out;
}

}  // namespace rekindle::models
