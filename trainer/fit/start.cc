#include "trainer/fit/start.h"

#include <algorithm>
#include <map>

#include "artifacts/manifest.h"
#include "models/safetensors.h"
#include "proto/json.h"

namespace rekindle::trainer {
namespace {

constexpr std::string_view kEmbedding = "embedding.";

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out;
  for (int64_t size : shape) out += (out.empty() ? "[" : ", ") + std::to_string(size);
  return out + "]";
}

const v1::CategoricalTransform* category(const v1::ModelCard& card, std::string_view parameter) {
  if (!parameter.starts_with(kEmbedding)) return nullptr;
  parameter.remove_prefix(kEmbedding.size());
  for (const auto& c : card.transforms().categorical()) {
    if (c.column() == parameter) return &c;
  }
  return nullptr;
}

// Rows of an embedding by what they stand for; row 0 is the unknown one. Returns how many were taken.
int take_rows(const v1::CategoricalTransform& now, const v1::CategoricalTransform& then, size_t width,
              const std::vector<float>& from, std::vector<float>& to) {
  std::map<std::string_view, size_t> rows;
  for (int i = 0; i < then.values_size(); ++i) rows[then.values(i)] = static_cast<size_t>(i) + 1;
  std::copy_n(from.begin(), width, to.begin());
  int taken = 0;
  for (int i = 0; i < now.values_size(); ++i) {
    auto row = rows.find(now.values(i));
    if (row == rows.end()) continue;
    std::copy_n(from.begin() + static_cast<ptrdiff_t>(row->second * width), width,
                to.begin() + static_cast<ptrdiff_t>((static_cast<size_t>(i) + 1) * width));
    ++taken;
  }
  return taken;
}

}  // namespace

Result<std::string> take_over(const v1::ModelCard& card, const Layout& layout, const v1::ModelCard& old,
                              std::string_view safetensors, models::Parameters& parameters) {
  auto file = TRY(models::parse_safetensors(safetensors));
  size_t taken = 0;
  std::string details;
  for (const auto& placed : layout.placed()) {
    const auto& [name, shape] = placed.parameter;
    auto found = file.tensors.find(name);
    if (found == file.tensors.end()) {
      details += "; " + name + " is new";
      continue;
    }
    const auto& theirs = found->second.shape;
    auto values = TRY(file.floats(name, theirs));
    const auto* now = category(card, name);
    const auto* then = category(old, name);
    const bool rows = now != nullptr && then != nullptr && shape.size() == 2 && theirs.size() == 2 &&
                      shape[1] == theirs[1] && theirs[0] == then->values_size() + 1;
    if (rows) {
      const int count = take_rows(*now, *then, static_cast<size_t>(shape[1]), values, parameters.at(name));
      if (count < now->values_size())
        details += "; " + name + ": " + std::to_string(count) + " of " + std::to_string(now->values_size()) +
                   " values were known";
    } else if (theirs == shape) {
      parameters.at(name) = std::move(values);
    } else {
      details +=
          "; " + name + " begins anew, its shape was " + shape_text(theirs) + " and is " + shape_text(shape);
      continue;
    }
    ++taken;
  }
  return std::to_string(taken) + " of " + std::to_string(layout.placed().size()) + " parameters taken over" +
         details;
}

Result<Start> start_of(const artifacts::Store& store, const v1::Plan& plan, const v1::ModelCard& card,
                       const Module& module, const Examples& training) {
  Start out{module.initial(plan.spec().train().seed(), training), {}};
  const std::string version = "version " + std::to_string(plan.start_version());
  if (plan.start_manifest().empty()) {
    if (plan.start_version() != 0)
      return not_found("train.start names " + version +
                       ", which the registry does not hold; name one that it does, or write start: scratch");
    return out;
  }
  auto manifest = TRY(artifacts::load_manifest(store, plan.start_manifest()));
  v1::ModelCard old;
  auto json = TRY(artifacts::read_file(store, manifest, "model.json"));
  if (const Status parsed = from_json(json, &old, UnknownFields::kIgnored); !parsed.ok())
    return data_loss("model.json of " + version + " cannot be parsed: " + parsed.message());
  auto safetensors = TRY(artifacts::read_file(store, manifest, "model.safetensors"));
  out.from = version + ": " + TRY(take_over(card, module.layout(), old, safetensors, out.parameters));
  return out;
}

}  // namespace rekindle::trainer
