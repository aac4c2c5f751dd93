// What a label is: its kind, its one number, and how right an answer to it was.
//
// Every label is one double per row, wherever rows are kept: binary 0 or 1; multiclass the class's number,
// its place in label.classes; regression the number; multilabel the sum of 2^number over the classes that
// are there. NaN is a label that is not known. Answers ("predictions") are row-major doubles, `outputs()`
// a row: one probability, one probability a class, or one value. Pure; knows no model.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::v1 {
class LabelRecord;
}

namespace rekindle::dataio {

inline constexpr size_t kMultilabelClassesMax = 50;  // a sum of powers of two that a double holds exactly
inline constexpr size_t kMulticlassClassesMax = 10'000;

class LabelRule {
 public:
  // A kind that is not said is binary: so are cards of old versions.
  LabelRule() : LabelRule(v1::Label()) {}
  explicit LabelRule(const v1::Label& label);
  LabelRule(const LabelRule& other) : LabelRule(other.label_) {}
  LabelRule& operator=(const LabelRule& other) { return *this = LabelRule(other.label_); }
  LabelRule(LabelRule&&) = default;
  LabelRule& operator=(LabelRule&&) = default;

  v1::Label::Kind kind() const { return kind_; }
  bool binary() const { return kind_ == v1::Label::BINARY; }
  bool regression() const { return kind_ == v1::Label::REGRESSION; }
  bool wide() const { return !binary() && !regression(); }  // one output a class
  size_t outputs() const;
  size_t classes() const { return static_cast<size_t>(label_.classes_size()); }
  const std::string& class_name(size_t number) const { return label_.classes(static_cast<int>(number)); }
  const v1::Label& label() const { return label_; }
  // Labels and answers of `older` mean the same here: equal kinds, and classes were at most added at the end.
  bool extends(const LabelRule& older) const;
  // Answers of `older`, row-major, as answers of this rule: classes that it did not know have probability 0.
  std::vector<double> widened(const LabelRule& older, std::vector<double> answers) const;
  // "probability", "probabilities" or "value".
  std::string_view output_name() const;

  // NaN, or a number that is a label of this kind.
  bool sound(double label) const;
  // What a label of this kind may be, for refusals: "0 or 1", "one of the 16 classes (9E, AA, AS, ...)".
  std::string words() const;
  // A class's name, or names as "a|b" ("" or "|": none of them). invalid_argument says what is known.
  Result<double> number(std::string_view text) const;
  // "1", "UA", "a|b", "12.5": how people read it. "" when it is not known.
  std::string text(double label) const;

  // Labels of a column, as numbers. Binary takes bools and numbers, multiclass texts and numbers, regression
  // numbers, multilabel texts. invalid_argument names the row, its value and the column.
  Result<std::vector<double>> read(const Column& column) const;
  // The column that `read` gets them back from: BOOL, TEXT, NUMBER, TEXT.
  v1::ColumnType column_type() const;
  Column column(std::string name, std::span<const double> labels) const;

  // Whether it is an answer at all: one probability an output, or one finite number.
  bool sound_answer(std::span<const double> answer) const;
  // How far one row's answer was off; the label is known (CHECK). Classes: cross-entropy in nats, of many
  // labels the mean over them; regression: squared error.
  double loss(double label, std::span<const double> answer) const;
  // Classes: whether the likeliest class, or the whole set of those with at least one half, was right.
  bool correct(double label, std::span<const double> answer) const;
  // Binary and multilabel: whether what this output gives a probability to happened.
  bool holds(double label, size_t output) const;
  // Regression: |label - answer|.
  double absolute_error(double label, std::span<const double> answer) const;

  // The answer that knows nothing of a row: class shares, or the mean, of known labels (at least one).
  std::vector<double> constant_answer(std::span<const double> labels) const;

  // What an answer is counted by for drift: the number itself, the expected number of labels of many, and
  // for multiclass the name of the likeliest class.
  bool counted_as_category() const { return kind_ == v1::Label::MULTICLASS; }
  double counted_number(std::span<const double> answer) const;
  const std::string& counted_category(std::span<const double> answer) const;

 private:
  Result<double> set_of(std::string_view text) const;
  Status refuse(const Column& column, size_t row, std::string_view value) const;

  v1::Label label_;
  v1::Label::Kind kind_;
  std::unordered_map<std::string, size_t> numbers_;
};

// Labels of one request as a client sent them: names become numbers (`names` and `unknown` are then empty).
// invalid_argument says which row's label cannot be.
Status number_labels(v1::LabelRecord& record, const LabelRule& rule);

// Place of the greatest value; of equal ones the first.
size_t likeliest(std::span<const double> answer);

}  // namespace rekindle::dataio
