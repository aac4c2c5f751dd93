#include "tests/worlds/specs.h"

#include <fmt/format.h>

namespace rekindle::worlds {
namespace {

std::string names_of(const World& world, bool categorical) {
  std::string out;
  for (const Field& field : world.fields)
    if (field.categorical == categorical) out += fmt::format("{}{}", out.empty() ? "" : ", ", field.name);
  return out;
}

}  // namespace

std::string job_text(const World& world) {
  std::string kind, classes;
  for (int i = 0; i < world.classes; ++i) classes += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
  if (world.classes > 2) kind = fmt::format(", kind: multiclass, classes: [{}]", classes);
  const std::string categorical = names_of(world, true);
  return fmt::format(R"(rekindle: 1
name: made-up
data:
  initial: {}@first
  time: at
  label: {{column: y{}, matures: 1d}}
  numeric: [{}]
{}train:
  model: {{tabular: {{hidden: [32], dropout: 0%}}}}
  rows: {{since_drift: {{at_least: 8d}}}}
  candidates: [{{start: champion}}]
  batch: 128
  stop: {{epochs: 40, patience: 6}}
  optimizer: {{adamw: {{rate: 0.01}}, average: 0.99}}
retrain:
  when: [drift, quality{}]
  at_most: {{runs: 9, per: 270d, burst: 3}}
gate: {{holdout: 4d, margin: -0.005}}
)",
                     kDataset, kind, names_of(world, false),
                     categorical.empty() ? "" : fmt::format("  categorical: [{}]\n", categorical),
                     world.classes == 2 ? ", regret" : "");
}

std::string import_text(const World& world) {
  std::string fields;
  for (const Field& field : world.fields) fields += field.name + ", ";
  return fmt::format(R"(rekindle: 1
dataset: {}
rows: {{file: rows.parquet}}
keep: [at, {}y]
time: at
snapshot_by: [part]
)",
                     kDataset, fields);
}

}  // namespace rekindle::worlds
