#include "dataio/csv/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace rekindle::dataio {
namespace {

constexpr size_t kNotWanted = static_cast<size_t>(-1);

std::string join(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// One long column with another usual separator in its name is a file that is not separated by commas.
std::string_view separator_hint(std::span<const std::string> header) {
  const bool other = header.size() == 1 && header.front().find_first_of(";\t|") != std::string::npos;
  return other ? "; fields must be separated by commas" : "";
}

// Walks over the text once, field by field.
class Reader {
 public:
  Reader(const SourceText& source, std::deque<std::string>& unescaped)
      : source_(source), text_(source.text), unescaped_(unescaped) {}

  bool at_end() const { return at_ >= text_.size(); }
  size_t at() const { return at_; }

  // Skips blank lines; true when a record follows.
  bool next_record() {
    while (!at_end() && (text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    return !at_end();
  }

  // The next field of the record; `last` tells whether the record ends with it.
  Result<std::string_view> field(bool& last) {
    const size_t begin = at_;
    std::string_view value;
    if (!at_end() && text_[at_] == '"') {
      value = TRY(quoted());
    } else {
      while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      value = text_.substr(begin, at_ - begin);
    }
    if (value.size() > kCsvFieldBytesMax)
      return error(begin,
                   fmt::format("a field has more than {} bytes: is a quote missing?", kCsvFieldBytesMax));
    last = at_end() || text_[at_] != ',';
    if (!last)
      ++at_;
    else if (!at_end())
      end_line();
    return value;
  }

  Status error(size_t offset, std::string_view what) const {
    return invalid_argument(fmt::format("{}:{}: {}", source_.name, line_of(text_, offset), what));
  }

 private:
  Result<std::string_view> quoted() {
    const size_t open = at_++;
    bool doubled = false;
    for (;;) {
      const size_t quote = text_.find('"', at_);
      if (quote == std::string_view::npos)
        return error(
            open, "a quote is opened here and never closed; close it, or double it when it is meant as text");
      at_ = quote + 1;
      if (at_end() || text_[at_] != '"') break;
      doubled = true;
      ++at_;
    }
    const std::string_view raw = text_.substr(open + 1, at_ - open - 2);
    if (!at_end() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r')
      return error(at_, "text follows a closing quote; double the quotes within a quoted field");
    if (!doubled) return raw;
    std::string& plain = unescaped_.emplace_back();
    plain.reserve(raw.size());
    for (size_t i = 0; i < raw.size(); ++i) {
      plain += raw[i];
      if (raw[i] == '"') ++i;  // doubled: quoted() saw to it
    }
    return std::string_view(plain);
  }

  void end_line() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
  }

  const SourceText& source_;
  std::string_view text_;
  std::deque<std::string>& unescaped_;
  size_t at_ = 0;
};

Status read_header(Reader& reader, const SourceText& source, CsvRecords& out) {
  if (!reader.next_record())
    return invalid_argument(fmt::format("{} is empty; the first line must name its columns", source.name));
  const size_t begin = reader.at();
  std::set<std::string_view> seen;
  for (bool last = false; !last;) {
    const std::string_view name = TRY(reader.field(last));
    if (out.header.size() == kCsvColumnsMax)
      return reader.error(begin, fmt::format("more than {} columns", kCsvColumnsMax));
    out.header.emplace_back(name);
    if (!seen.insert(name).second)
      return reader.error(begin, fmt::format("two columns are named '{}'; rename one of them", name));
  }
  return ok_status();
}

// For each field of the header the column that it goes to.
Result<std::vector<size_t>> targets(const SourceText& source, std::span<const std::string> wanted,
                                    CsvRecords& out) {
  std::vector<size_t> target(out.header.size(), kNotWanted);
  for (const std::string& name : wanted) {
    if (std::find(out.names.begin(), out.names.end(), name) != out.names.end()) continue;
    const auto found = std::find(out.header.begin(), out.header.end(), name);
    if (found == out.header.end())
      return not_found(fmt::format("{} has no column '{}'; it has: {}{}", source.name, name, join(out.header),
                                   separator_hint(out.header)));
    target[static_cast<size_t>(found - out.header.begin())] = out.names.size();
    out.names.push_back(name);
  }
  return target;
}

}  // namespace

Result<CsvRecords> parse_csv(const SourceText& source, std::span<const std::string> wanted) {
  CsvRecords out;
  Reader reader(source, out.unescaped);
  TRY_STATUS(read_header(reader, source, out));
  const std::vector<size_t> target = TRY(targets(source, wanted, out));
  out.columns.resize(out.names.size());
  const size_t fields = out.header.size();
  while (reader.next_record()) {
    const size_t start = reader.at();
    size_t index = 0;
    for (bool last = false; !last; ++index) {
      const std::string_view value = TRY(reader.field(last));
      if (index < fields && target[index] != kNotWanted) out.columns[target[index]].push_back(value);
    }
    if (index != fields)
      return reader.error(start,
                          fmt::format("{} fields, the header has {}; quote fields that hold a comma, and "
                                      "complete a row that was cut off",
                                      index, fields));
    out.starts.push_back(start);
  }
  return out;
}

}  // namespace rekindle::dataio
