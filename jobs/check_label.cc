#include "jobs/check_label.h"

#include <fmt/format.h>

#include <set>

#include "base/text/printable.h"

namespace rekindle::jobs {
namespace {

using Kind = v1::Label::Kind;

bool with_classes(Kind kind) {
  return kind == v1::Label::MULTICLASS || kind == v1::Label::MULTILABEL;
}

std::string_view kind_word(Kind kind) {
  switch (kind) {
    case v1::Label::MULTICLASS:
      return "multiclass";
    case v1::Label::REGRESSION:
      return "regression";
    case v1::Label::MULTILABEL:
      return "multilabel";
    default:
      return "binary";
  }
}

std::string class_problem(const std::string& name, Kind kind) {
  if (name.empty()) return "an empty name is no class";
  if (name.size() > 128) return fmt::format("'{}...' is longer than 128 bytes", name.substr(0, 32));
  if (name.find_first_of("\"\\") != std::string::npos || !is_printable(name))
    return fmt::format("class '{}' has a line break, tab, quote or backslash in it", name);
  if (kind == v1::Label::MULTILABEL && name.find('|') != std::string::npos)
    return fmt::format("class '{}' has a '|' in it, which stands between the names of a label", name);
  return {};
}

bool fits(v1::Gate::Metric metric, Kind kind) {
  switch (metric) {
    case v1::Gate::AUROC:
      return kind == v1::Label::BINARY;
    case v1::Gate::LOG_LOSS:
    case v1::Gate::ACCURACY:
      return kind != v1::Label::REGRESSION;
    case v1::Gate::SQUARED_ERROR:
    case v1::Gate::ABSOLUTE_ERROR:
      return kind == v1::Label::REGRESSION;
    default:
      return true;  // said elsewhere
  }
}

std::string_view metrics_of(Kind kind) {
  if (kind == v1::Label::REGRESSION) return "squared_error or absolute_error";
  return kind == v1::Label::BINARY ? "log_loss, auroc or accuracy" : "log_loss or accuracy";
}

void check_test(const v1::Gate& gate, Problems& problems) {
  if (gate.test() == v1::Gate::GAIN || gate.test() == v1::Gate::TEST_UNSPECIFIED) return;
  if (gate.beat() == v1::Gate::CONSTANT)
    problems.add("gate.test", "compares row by row with the champion; with beat: constant say test: gain");
  if (gate.test() != v1::Gate::MCNEMAR) return;
  if (gate.metric() != v1::Gate::ACCURACY)
    problems.add("gate.test",
                 "mcnemar counts right and wrong answers: write metric: accuracy, or test: bootstrap");
  if (gate.margin() != 0)
    problems.add("gate.margin",
                 "mcnemar asks whether there is any gain at all; for a margin write test: bootstrap");
}

}  // namespace

void check_label(const v1::JobSpec& spec, Problems& problems) {
  const v1::Label& label = spec.data().label();
  const int classes = label.classes_size();
  if (!with_classes(label.kind())) {
    if (classes > 0)
      problems.add("data.label.classes",
                   fmt::format("a {} label has no classes; leave them out, or write kind: "
                               "multiclass or multilabel",
                               kind_word(label.kind())));
    return;
  }
  const bool one_of = label.kind() == v1::Label::MULTICLASS;
  const int least = one_of ? 2 : 1, most = one_of ? kMulticlassClassesMax : kMultilabelClassesMax;
  if (classes < least)
    problems.add(
        "data.label.classes",
        fmt::format("a {} label names its classes, at least {}; write for example: classes: [red, green, "
                    "blue]",
                    kind_word(label.kind()), least));
  if (classes > most)
    problems.add("data.label.classes", fmt::format("{} classes; a {} label has at most {}", classes,
                                                   kind_word(label.kind()), most));
  std::set<std::string> seen;
  for (int i = 0; i < classes; ++i) {
    const std::string path = fmt::format("data.label.classes[{}]", i);
    if (std::string wrong = class_problem(label.classes(i), label.kind()); !wrong.empty())
      problems.add(path, std::move(wrong));
    if (!seen.insert(label.classes(i)).second)
      problems.add(path, fmt::format("class '{}' is listed twice", label.classes(i)));
  }
}

void check_metric(const v1::JobSpec& spec, Problems& problems) {
  const v1::Gate& gate = spec.gate();
  const Kind kind = spec.data().label().kind();
  if (!fits(gate.metric(), kind)) {
    problems.add("gate.metric",
                 fmt::format("does not judge a {} label; {} do", kind_word(kind), metrics_of(kind)));
    return;
  }
  const bool share = gate.metric() == v1::Gate::AUROC || gate.metric() == v1::Gate::ACCURACY;
  if (share && gate.has_limit() && gate.limit() > 1)
    problems.add("gate.limit",
                 gate.metric() == v1::Gate::AUROC ? "an AUROC is at most 1" : "an accuracy is at most 1");
  if (kind != v1::Label::REGRESSION && (gate.margin() > 1 || gate.margin() < -1))
    problems.add("gate.margin", "between -1 and 1: it is a difference of log-losses, AUROCs or accuracies");
  check_test(gate, problems);
  if (kind == v1::Label::REGRESSION && gate.has_calibration())
    problems.add("gate.calibration", "is of probabilities, which a regression does not give");
}

void settle_metric(v1::JobSpec& spec, std::vector<ResolvedField>& fields) {
  if (spec.data().label().kind() != v1::Label::REGRESSION) return;
  for (ResolvedField& field : fields) {
    if (field.path != "gate.metric" || !field.was_default) continue;
    spec.mutable_gate()->set_metric(v1::Gate::SQUARED_ERROR);
    field.value = "squared_error";
    field.reason = "a regression has no log-loss; squared error is what it is fitted by";
  }
}

}  // namespace rekindle::jobs
