#include "jobs/explain.h"

#include <fmt/format.h>

#include "jobs/problems.h"
#include "jobs/values.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {
namespace {

using google::protobuf::Descriptor;

std::string type_words(const Field& field) {
  std::string one;
  const v1::Unit unit = options_of(field).unit();
  switch (field.cpp_type()) {
    case Field::CPPTYPE_STRING:
      one = "text";
      break;
    case Field::CPPTYPE_BOOL:
      one = "true or false";
      break;
    case Field::CPPTYPE_ENUM:
      one = joined(enum_words(*field.enum_type()), "or");
      break;
    case Field::CPPTYPE_DOUBLE:
      one = unit == v1::UNIT_SHARE ? "share" : "number";
      break;
    case Field::CPPTYPE_MESSAGE:
      one = is_duration(field) ? "duration" : "keys";
      break;
    default:
      one = unit == v1::UNIT_BYTES ? "size" : "whole number";
      break;
  }
  return field.is_repeated() ? "list of " + one : one;
}

std::string bounds_words(const Field& field) {
  const v1::SpecField& spec = options_of(field);
  if (!spec.at_least().empty() && !spec.at_most().empty())
    return fmt::format("{} to {}", spec.at_least(), spec.at_most());
  if (!spec.at_least().empty()) return fmt::format("at least {}", spec.at_least());
  return spec.at_most().empty() ? "" : fmt::format("at most {}", spec.at_most());
}

std::string path_of(const std::string& parent, const Field& field) {
  const std::string path = parent.empty() ? field.name() : parent + "." + field.name();
  return is_group(field) && field.is_repeated() ? path + "[]" : path;
}

template <typename Visit>
void each_field(const Descriptor& type, const std::string& parent, Visit visit) {
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string path = path_of(parent, *type.field(i));
    visit(path, *type.field(i));
    if (is_group(*type.field(i))) each_field(*type.field(i)->message_type(), path, visit);
  }
}

std::string default_words(const Field& field) {
  const v1::SpecField& spec = options_of(field);
  if (!spec.required_example().empty()) return "required";
  if (field.real_containing_oneof()) return "a choice";
  return spec.default_().empty() ? "absent" : spec.default_();
}

std::string cell(std::string text) {
  for (size_t i = 0; (i = text.find('|', i)) != std::string::npos; i += 2) text.insert(i, "\\");
  return text;
}

std::string without_brackets(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '[')
      i = std::min(path.find(']', i), path.size() - 1);
    else
      out += path[i];
  }
  return out;
}

std::string explain_field(const std::string& path, const Field& field) {
  const v1::SpecField& spec = options_of(field);
  std::string text = fmt::format("{} ({})\n  {}\n", path, type_words(field), spec.help());
  if (const std::string bounds = bounds_words(field); !bounds.empty())
    text += fmt::format("  allowed: {}\n", bounds);
  if (!spec.required_example().empty())
    text += fmt::format("  required, for example: {}\n", spec.required_example());
  if (!spec.default_().empty()) text += fmt::format("  default: {} ({})\n", spec.default_(), spec.reason());
  return text;
}

std::string keys_of(const Descriptor& type) {
  std::string text;
  for (int i = 0; i < type.field_count(); ++i)
    text += fmt::format("  {:<14} {}\n", type.field(i)->name(), options_of(*type.field(i)).help());
  return text;
}

}  // namespace

Result<std::string> explain(std::string_view path) {
  const std::string wanted = without_brackets(path);
  if (wanted.empty()) return "a job spec\n" + keys_of(*v1::JobSpec::descriptor());
  std::string found;
  std::vector<std::string> all;
  each_field(*v1::JobSpec::descriptor(), "", [&](const std::string& at, const Field& field) {
    const std::string plain = without_brackets(at);
    all.push_back(plain);
    if (plain != wanted) return;
    found = explain_field(at, field);
    if (is_group(field) && field.message_type()->field_count() > 0) found += keys_of(*field.message_type());
  });
  if (!found.empty()) return found;
  std::string near = nearest(wanted, all);
  // "batch" alone: the path that ends so.
  for (const std::string& one : all)
    if (near.empty() && one.ends_with("." + wanted)) near = one;
  return not_found(fmt::format("a job spec has no field '{}'{}", path,
                               near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
}

std::vector<std::string> field_paths() {
  std::vector<std::string> all;
  each_field(*v1::JobSpec::descriptor(), "",
             [&](const std::string& path, const Field&) { all.push_back(without_brackets(path)); });
  return all;
}

std::string spec_document() {
  std::string text = R"(# The job spec

Written by `jobs_test` from `proto/rekindle/v1/job.proto`; change it there, then run
`REKINDLE_REGENERATE=1 build/release/tests/jobs_test`.

A spec says what its author knows: columns, when labels are known, what may be spent, what must be proved.
`rekindle validate FILE` checks it, `rekindle plan --resolved FILE` prints every value with its reason,
`rekindle explain FIELD` says what a field is.

The form is YAML with few freedoms. Durations are `500ms 30s 90m 4h 7d 2w`, shares `10%` or `0.1`, sizes `24GB`,
choices lower-case words (`log_loss`). A choice between kinds is written by its key (`model: {tabular: {hidden: [64]}}`),
and by the bare word where its defaults will do (`model: linear`, `when: [drift, quality, {age: 90d}]`).
Refused, with line, column and the nearest key: unknown and duplicate keys, numbers that some read as octal (`0777`),
`yes` and `no`, unquoted words that are no text elsewhere (`on`, `null`, `12`) where text is meant, aliases that
grow, tags, a second document, more than 64 levels or 1 MiB.

| field | what | default | why |
|---|---|---|---|
)";
  std::string told_elsewhere = "?";
  each_field(*v1::JobSpec::descriptor(), "", [&](const std::string& path, const Field& field) {
    const v1::SpecField& spec = options_of(field);
    if (path.starts_with(told_elsewhere)) return;
    told_elsewhere = spec.keys_as().empty() ? "?" : path + ".";
    std::string what = fmt::format("{} ({}", spec.help(), type_words(field));
    if (const std::string bounds = bounds_words(field); !bounds.empty()) what += "; " + bounds;
    const std::string why = spec.required_example().empty()
                                ? spec.reason()
                                : fmt::format("for example `{}`", spec.required_example());
    const std::string given = default_words(field);
    const bool is_value = !spec.default_().empty() && spec.required_example().empty();
    text += fmt::format("| `{}` | {}) | {} | {} |\n", path, cell(what), is_value ? "`" + given + "`" : given,
                        cell(why));
  });
  text += R"(
## Rules that join fields

- No column twice; the label and the event time are no features; `request_id`, `row` and `prediction` are rekindle's own names.
- `data.initial` names an imported dataset, not the job's own name (under which its settled rows are kept).
- `data.slot` divides a day; `retrain.window` is a multiple of it.
- `gate.holdout` is shorter than `train.rows.last`; `train.ranks.count` is at most `train.batch`; at most 16 hidden layers.
- `train.candidates` has at most 8 entries. Each, in place of what `train` says under the same names, must be a spec that would be
  taken, and another than `train` itself and the entries before it.
- A job has `train.model` or `train.command`. With a command goes `predict` (a command or a package), and what is the
  built-in trainer's is not said: [command jobs](command-jobs.md). `code` is for `rekindle apply` to fill in.
- A command without `data` and `predict` is a [plain task](command-jobs.md#plain-tasks): it makes no version, so `gate`, `serve`
  and `retrain` are not said, nor what belongs to rows (`train.rows`, `train.validation`). `data` is required of all others.
- Each kind of trigger once; `persistence.hits` at most `of`; `at_most.burst` at most `runs` (its default gives way).
- `serve.canary` is 0% or at least 0.01%; with `serve.analysis` it is neither 0% nor 100%.
- `data.label.classes` belong to `multiclass` (2 to 10,000) and `multilabel` (1 to 50) alone: names once each, without `|` for
  multilabel. A later revision may add classes at the end.
- `gate.metric` fits the label: `log_loss` and `accuracy` classes, `auroc` binary, `squared_error` and `absolute_error` regression,
  whose default is `squared_error`. With `auroc` and `accuracy`, `gate.limit` is at most 1; with classes, `gate.margin` is within -1
  and 1. `gate.test: mcnemar` is of `accuracy` without a margin; with `beat: constant` the test is `gain`; a regression has no
  `gate.calibration`.
)";
  return text;
}

}  // namespace rekindle::jobs
