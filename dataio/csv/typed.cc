#include "dataio/csv/typed.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "dataio/csv/parse.h"

namespace rekindle::dataio {
namespace {

constexpr size_t kShownBytes = 40;
constexpr std::string_view kMissingDefault = "NA";  // as R writes it; the spec's default

// How one column's fields become values. parse() fails on the first field that does not fit.
struct Fields {
  std::span<const std::string_view> values;
  std::string_view missing;

  bool is_missing(std::string_view value) const { return value.empty() || value == missing; }
};

bool parse_number(std::string_view text, double& out) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(out);
}

bool looks_like_code(std::string_view text) {
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

bool parse_bool(std::string_view text, double& out) {
  const bool yes = text == "true" || text == "TRUE" || text == "True";
  const bool no = text == "false" || text == "FALSE" || text == "False";
  out = yes ? 1 : 0;
  return yes || no;
}

// Each returns the first row that does not fit, or the number of rows.
size_t as_numbers(const Fields& fields, Column& to, bool codes_fit) {
  to.type = v1::NUMBER;
  to.numbers.clear();
  to.numbers.reserve(fields.values.size());
  for (size_t row = 0; row < fields.values.size(); ++row) {
    const std::string_view value = fields.values[row];
    double number = kMissingNumber;
    if (!fields.is_missing(value) && ((!codes_fit && looks_like_code(value)) || !parse_number(value, number)))
      return row;
    to.numbers.push_back(number);
  }
  return fields.values.size();
}

size_t as_times(const Fields& fields, Column& to) {
  to.type = v1::TIMESTAMP;
  to.times.clear();
  to.times.reserve(fields.values.size());
  std::string_view last_text;
  int64_t last_time = kMissingTime;
  for (size_t row = 0; row < fields.values.size(); ++row) {
    const std::string_view value = fields.values[row];
    if (fields.is_missing(value)) {
      to.times.push_back(kMissingTime);
      continue;
    }
    if (value != last_text) {  // sorted files repeat the hour thousands of times
      const Result<Time> time = parse_time(value);
      if (!time.ok()) return row;
      last_text = value;
      last_time = to_micros(*time);
    }
    to.times.push_back(last_time);
  }
  return fields.values.size();
}

size_t as_bools(const Fields& fields, Column& to, bool digits_fit) {
  to.type = v1::BOOL;
  to.numbers.clear();
  to.numbers.reserve(fields.values.size());
  for (size_t row = 0; row < fields.values.size(); ++row) {
    const std::string_view value = fields.values[row];
    double flag = kMissingNumber;
    const bool digit = digits_fit && (value == "0" || value == "1");
    if (digit)
      flag = value == "1" ? 1 : 0;
    else if (!fields.is_missing(value) && !parse_bool(value, flag))
      return row;
    to.numbers.push_back(flag);
  }
  return fields.values.size();
}

void as_texts(const Fields& fields, Column& to) {
  to.type = v1::TEXT;
  to.codes.reserve(fields.values.size());
  std::unordered_map<std::string_view, int32_t> known;
  for (std::string_view value : fields.values) {
    if (fields.is_missing(value)) {
      to.codes.push_back(kMissingText);
      continue;
    }
    const auto [found, fresh] = known.try_emplace(value, static_cast<int32_t>(to.words.size()));
    if (fresh) to.words.emplace_back(value);
    to.codes.push_back(found->second);
  }
}

// Numbers with blanks between them.
bool parse_tokens(std::string_view text, std::vector<int32_t>& out) {
  while (true) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    if (text.empty()) return out.size() <= kTokensMax;
    int32_t token = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (error != std::errc() || token < 0 || (!text.empty() && text.front() != ' ')) return false;
    out.push_back(token);
  }
}

size_t as_tokens(const Fields& fields, Column& to) {
  to.type = v1::TOKENS;
  to.lists.reserve(fields.values.size());
  for (size_t row = 0; row < fields.values.size(); ++row) {
    std::vector<int32_t> tokens;
    if (fields.is_missing(fields.values[row]))
      to.add_missing();
    else if (parse_tokens(fields.values[row], tokens))
      to.add_list(std::move(tokens));
    else
      return row;
  }
  return fields.values.size();
}

void guess(const Fields& fields, Column& to) {
  const size_t rows = fields.values.size();
  if (as_numbers(fields, to, false) == rows) return;
  to.numbers = {};
  if (as_times(fields, to) == rows) return;
  to.times = {};
  if (as_bools(fields, to, false) == rows) return;
  to.numbers = {};
  as_texts(fields, to);
}

// As the spec says; the first row that does not fit, or the number of rows.
size_t convert(const Fields& fields, v1::ColumnType type, Column& to) {
  switch (type) {
    case v1::NUMBER:
      return as_numbers(fields, to, true);
    case v1::TIMESTAMP:
      return as_times(fields, to);
    case v1::BOOL:
      return as_bools(fields, to, true);
    case v1::TEXT:
      as_texts(fields, to);
      break;
    case v1::TOKENS:
      return as_tokens(fields, to);
    default:
      guess(fields, to);
  }
  return fields.values.size();
}

}  // namespace

std::string_view missing_text(const v1::SourceFile& spec) {
  return spec.missing().empty() ? kMissingDefault : std::string_view(spec.missing());
}

Result<Column> typed_column(std::string name, std::span<const std::string_view> values,
                            std::string_view missing, v1::ColumnType type,
                            const std::function<std::string(size_t row)>& where) {
  Column column{std::move(name)};
  if (type == v1::BYTES)
    return invalid_argument(
        fmt::format("column '{}' cannot be bytes: text holds none; Parquet and tar shards do", column.name));
  const size_t bad = convert({values, missing}, type, column);
  if (bad < values.size())
    return invalid_argument(fmt::format(
        "{}: column '{}': '{}' is not a {}; correct it, or give the column another type in `types`",
        where(bad), column.name, values[bad].substr(0, kShownBytes),
        type == v1::TOKENS ? "list of tokens" : type_word(type)));
  return column;
}

Result<SourceTable> load_csv(SourceText source, const v1::SourceFile& spec,
                             std::span<const std::string> wanted) {
  const auto file = std::make_shared<const SourceText>(std::move(source));
  CsvRecords records = TRY(parse_csv(*file, wanted));
  TRY_STATUS(check_types(spec, file->name, records.header));
  SourceTable out;
  out.name = file->name;
  out.header = std::move(records.header);
  out.where = [file, starts = std::move(records.starts)](size_t row) {
    return fmt::format("{}:{}", file->name, line_of(file->text, starts[row]));
  };
  for (size_t i = 0; i < records.names.size(); ++i) {
    out.table.columns.push_back(TRY(typed_column(records.names[i], records.columns[i], missing_text(spec),
                                                 type_given(spec, records.names[i]), out.where)));
    records.columns[i] = {};
  }
  return out;
}

}  // namespace rekindle::dataio
