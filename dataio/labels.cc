#include "dataio/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/stats.h"
#include "rekindle/v1/events.pb.h"

namespace rekindle::dataio {
namespace {

constexpr size_t kNamesInMessage = 8;

bool whole_below(double value, double end) {
  return value >= 0 && value < end && value == std::floor(value);
}

bool has(double set, size_t number) {
  return (static_cast<uint64_t>(set) >> number) & 1;
}

}  // namespace

Status number_labels(v1::LabelRecord& record, const LabelRule& rule) {
  const auto bad = [&](int row, std::string_view what) {
    return invalid_argument(
        fmt::format("labels of request '{}', row {}: {}", record.request_id(), row + 1, what));
  };
  for (int row = 0; row < record.labels_size(); ++row)
    if (!rule.sound(record.labels(row)))
      return bad(row,
                 fmt::format("{} is not {}, or NaN where it is not known", record.labels(row), rule.words()));
  if (record.names().empty()) {
    if (record.unknown().empty()) return ok_status();
    return bad(0, "'unknown' names rows of 'names'; among numbers write NaN");
  }
  if (!record.labels().empty()) return bad(0, "send either numbers in 'labels' or 'names', not both");
  std::vector<bool> unknown(static_cast<size_t>(record.names_size()), false);
  for (const uint32_t row : record.unknown()) {
    if (row >= unknown.size())
      return bad(static_cast<int>(row),
                 fmt::format("is called unknown; there are {} names", record.names_size()));
    unknown[row] = true;
  }
  std::vector<double> numbers;
  for (int row = 0; row < record.names_size(); ++row) {
    if (unknown[static_cast<size_t>(row)]) {
      numbers.push_back(kMissingNumber);
      continue;
    }
    const auto number = rule.number(record.names(row));
    if (!number.ok()) return bad(row, number.status().message());
    numbers.push_back(*number);
  }
  record.mutable_labels()->Assign(numbers.begin(), numbers.end());
  record.clear_names();
  record.clear_unknown();
  return ok_status();
}

size_t likeliest(std::span<const double> answer) {
  return static_cast<size_t>(std::max_element(answer.begin(), answer.end()) - answer.begin());
}

LabelRule::LabelRule(const v1::Label& label) : label_(label), kind_(label.kind()) {
  if (kind_ == v1::Label::KIND_UNSPECIFIED) kind_ = v1::Label::BINARY;
  for (int i = 0; i < label_.classes_size(); ++i) numbers_.emplace(label_.classes(i), static_cast<size_t>(i));
}

size_t LabelRule::outputs() const {
  return wide() ? classes() : 1;
}

bool LabelRule::extends(const LabelRule& older) const {
  return kind_ == older.kind_ && older.classes() <= classes() &&
         std::equal(older.label_.classes().begin(), older.label_.classes().end(), label_.classes().begin());
}

std::vector<double> LabelRule::widened(const LabelRule& older, std::vector<double> answers) const {
  CHECK(extends(older), "answers of a label that this one goes on from");
  const size_t from = older.outputs(), to = outputs();
  if (from == to) return answers;
  std::vector<double> out(answers.size() / from * to, 0.0);
  for (size_t r = 0; r * from < answers.size(); ++r)
    std::copy_n(answers.begin() + static_cast<ptrdiff_t>(r * from), from,
                out.begin() + static_cast<ptrdiff_t>(r * to));
  return out;
}

std::string_view LabelRule::output_name() const {
  if (regression()) return "value";
  return binary() ? "probability" : "probabilities";
}

bool LabelRule::sound(double label) const {
  if (std::isnan(label)) return true;
  switch (kind_) {
    case v1::Label::MULTICLASS:
      return whole_below(label, static_cast<double>(classes()));
    case v1::Label::MULTILABEL:
      return whole_below(label, std::exp2(static_cast<double>(classes())));
    case v1::Label::REGRESSION:
      return std::isfinite(label);
    default:
      return label == 0 || label == 1;
  }
}

std::string LabelRule::words() const {
  if (binary()) return "0 or 1";
  if (regression()) return "a finite number";
  std::string names;
  for (size_t i = 0; i < std::min(classes(), kNamesInMessage); ++i)
    names += (names.empty() ? "" : ", ") + class_name(i);
  if (classes() > kNamesInMessage) names += ", ...";
  return kind_ == v1::Label::MULTICLASS
             ? fmt::format("one of the {} classes ({}) or its number from 0", classes(), names)
             : fmt::format("names of the {} classes ({}) joined by '|', or none", classes(), names);
}

Result<double> LabelRule::set_of(std::string_view text) const {
  uint64_t set = 0;
  while (!text.empty()) {
    const size_t bar = std::min(text.find('|'), text.size());
    const std::string name(text.substr(0, bar));
    text.remove_prefix(std::min(bar + 1, text.size()));
    if (name.empty()) continue;
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) return invalid_argument(fmt::format("'{}' is none of its classes", name));
    const uint64_t bit = uint64_t{1} << found->second;
    if (set & bit) return invalid_argument(fmt::format("'{}' is said twice", name));
    set |= bit;
  }
  return static_cast<double>(set);
}

Result<double> LabelRule::number(std::string_view text) const {
  if (kind_ == v1::Label::MULTILABEL) return set_of(text);
  if (kind_ != v1::Label::MULTICLASS)
    return invalid_argument(
        fmt::format("'{}' is a name; this label has no classes, it is {}", text, words()));
  const auto found = numbers_.find(std::string(text));
  if (found == numbers_.end())
    return invalid_argument(fmt::format("'{}' is none of its classes; a label is {}", text, words()));
  return static_cast<double>(found->second);
}

std::string LabelRule::text(double label) const {
  if (std::isnan(label)) return "";
  if (!sound(label) || binary() || regression()) return fmt::format("{}", label);
  if (kind_ == v1::Label::MULTICLASS) return class_name(static_cast<size_t>(label));
  std::string names;
  for (size_t i = 0; i < classes(); ++i)
    if (has(label, i)) names += (names.empty() ? "" : "|") + class_name(i);
  return names;
}

Status LabelRule::refuse(const Column& column, size_t row, std::string_view value) const {
  return invalid_argument(fmt::format("row {} of the label column '{}' holds {}; a label is {}, or missing",
                                      row + 1, column.name, value, words()));
}

v1::ColumnType LabelRule::column_type() const {
  if (binary()) return v1::BOOL;
  return regression() ? v1::NUMBER : v1::TEXT;
}

Result<std::vector<double>> LabelRule::read(const Column& column) const {
  const bool numbers = column.type == v1::NUMBER || (binary() && column.type == v1::BOOL);
  const bool texts = column.type == v1::TEXT && column_type() == v1::TEXT;
  if (!(numbers && kind_ != v1::Label::MULTILABEL) && !texts) {
    return invalid_argument(
        fmt::format("the label column '{}' holds {} values; data.label says that a label is {}", column.name,
                    type_word(column.type), words()));
  }
  if (numbers) {
    for (size_t row = 0; row < column.numbers.size(); ++row)
      if (!sound(column.numbers[row])) return refuse(column, row, fmt::format("{}", column.numbers[row]));
    return column.numbers;
  }
  std::vector<double> of_word(column.words.size(), kMissingNumber);
  std::vector<bool> known(column.words.size(), false);
  std::vector<double> out(column.codes.size(), kMissingNumber);
  for (size_t row = 0; row < column.codes.size(); ++row) {
    if (column.codes[row] < 0) continue;
    const auto code = static_cast<size_t>(column.codes[row]);
    if (!known[code]) {
      auto value = number(column.words[code]);
      if (!value.ok()) return refuse(column, row, fmt::format("'{}'", column.words[code]));
      of_word[code] = *value;
      known[code] = true;
    }
    out[row] = of_word[code];
  }
  return out;
}

Column LabelRule::column(std::string name, std::span<const double> labels) const {
  if (column_type() != v1::TEXT) {
    std::vector<double> values(labels.begin(), labels.end());
    return binary() ? bool_column(std::move(name), std::move(values))
                    : number_column(std::move(name), std::move(values));
  }
  Column out;
  out.name = std::move(name);
  out.type = v1::TEXT;
  std::unordered_map<double, int32_t> codes;
  for (const double label : labels) {
    if (std::isnan(label)) {
      out.codes.push_back(kMissingText);
      continue;
    }
    const auto [it, fresh] = codes.try_emplace(label, static_cast<int32_t>(out.words.size()));
    if (fresh) out.words.push_back(text(label));
    out.codes.push_back(it->second);
  }
  return out;
}

bool LabelRule::sound_answer(std::span<const double> answer) const {
  return answer.size() == outputs() && std::all_of(answer.begin(), answer.end(), [this](double value) {
           return regression() ? std::isfinite(value) : value >= 0 && value <= 1;
         });
}

double LabelRule::loss(double label, std::span<const double> answer) const {
  CHECK(!std::isnan(label) && answer.size() == outputs(), "a known label and an answer of its kind");
  switch (kind_) {
    case v1::Label::MULTICLASS:
      return log_loss(1, answer[static_cast<size_t>(label)]);
    case v1::Label::REGRESSION:
      return (label - answer[0]) * (label - answer[0]);
    case v1::Label::MULTILABEL: {
      double total = 0;
      for (size_t i = 0; i < answer.size(); ++i) total += log_loss(has(label, i), answer[i]);
      return total / static_cast<double>(answer.size());
    }
    default:
      return log_loss(label, answer[0]);
  }
}

bool LabelRule::correct(double label, std::span<const double> answer) const {
  CHECK(!regression() && answer.size() == outputs(), "only classes are right or wrong");
  if (kind_ == v1::Label::MULTICLASS) return static_cast<size_t>(label) == likeliest(answer);
  for (size_t i = 0; i < answer.size(); ++i)
    if ((binary() ? label > 0.5 : has(label, i)) != (answer[i] >= 0.5)) return false;
  return true;
}

bool LabelRule::holds(double label, size_t output) const {
  CHECK(output < outputs() && (binary() || kind_ == v1::Label::MULTILABEL),
        "each output is a class of its own");
  return binary() ? label > 0.5 : has(label, output);
}

double LabelRule::absolute_error(double label, std::span<const double> answer) const {
  CHECK(regression() && answer.size() == 1, "only numbers have an absolute error");
  return std::abs(label - answer[0]);
}

std::vector<double> LabelRule::constant_answer(std::span<const double> labels) const {
  CHECK(!labels.empty(), "a constant answer needs labels");
  if (binary() || regression()) return {mean(labels)};
  std::vector<double> out(classes(), 0.0);
  for (const double label : labels) {
    if (kind_ == v1::Label::MULTICLASS)
      ++out[static_cast<size_t>(label)];
    else
      for (size_t i = 0; i < out.size(); ++i) out[i] += has(label, i);
  }
  for (double& share : out) share /= static_cast<double>(labels.size());
  return out;
}

double LabelRule::counted_number(std::span<const double> answer) const {
  return kind_ == v1::Label::MULTILABEL ? sum(answer) : answer[0];
}

const std::string& LabelRule::counted_category(std::span<const double> answer) const {
  return class_name(likeliest(answer));
}

}  // namespace rekindle::dataio
