#include "dataio/importing/join.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>

#include "proto/time.h"

namespace rekindle::dataio {
namespace {

constexpr int64_t kNoRow = -1;

// A key column of both tables. Equal values have equal 64-bit images; a missing one has none.
class KeyPart {
 public:
  KeyPart(const Column& left, const Column& right, int64_t shift_us)
      : left_(left), right_(right), shift_us_(shift_us) {
    for (size_t i = 0; i < right.words.size(); ++i) image_of_.try_emplace(right.words[i], i);
    for (const std::string& word : left.words) left_images_.push_back(find(word));
  }

  std::optional<uint64_t> left(size_t row) const {
    if (left_.missing(row)) return std::nullopt;
    if (left_.type == v1::TEXT) return left_images_[static_cast<size_t>(left_.codes[row])];
    return image(left_, row, 0);
  }
  std::optional<uint64_t> right(size_t row) const {
    if (right_.missing(row)) return std::nullopt;
    if (right_.type == v1::TEXT) return find(right_.words[static_cast<size_t>(right_.codes[row])]);
    return image(right_, row, shift_us_);
  }

 private:
  static uint64_t image(const Column& column, size_t row, int64_t shift_us) {
    if (column.type == v1::TIMESTAMP) return static_cast<uint64_t>(column.times[row] + shift_us);
    return std::bit_cast<uint64_t>(column.numbers[row] + 0.0);  // -0 becomes 0
  }
  std::optional<uint64_t> find(std::string_view word) const {
    const auto found = image_of_.find(word);
    if (found == image_of_.end()) return std::nullopt;
    return found->second;
  }

  const Column& left_;
  const Column& right_;
  int64_t shift_us_;
  std::unordered_map<std::string_view, uint64_t> image_of_;  // of the right table's words
  std::vector<std::optional<uint64_t>> left_images_;
};

Result<KeyPart> key_part(const SourceTable& left, const SourceTable& right, const std::string& name,
                         int64_t shift_us) {
  const Column* a = left.table.find(name);
  const Column* b = right.table.find(name);
  CHECK(a && b, "the importer loads every key column");
  if (a->type != b->type)
    return invalid_argument(
        fmt::format("column '{}' holds {} values in {} and {} values in {}; give it the same type "
                    "in both with `types`",
                    name, type_word(a->type), left.name, type_word(b->type), right.name));
  if (a->type == v1::BYTES || a->type == v1::TOKENS)
    return invalid_argument(
        fmt::format("column '{}' holds {} values, which no join compares; join on numbers, "
                    "texts, timestamps or bools",
                    name, type_word(a->type)));
  return KeyPart(*a, *b, shift_us);
}

// The key of one row as bytes; false when a part is missing.
template <typename Part>
bool key_of(const std::vector<KeyPart>& parts, Part part, std::string& key) {
  key.clear();
  for (const KeyPart& one : parts) {
    const std::optional<uint64_t> image = part(one);
    if (!image) return false;
    key.append(reinterpret_cast<const char*>(&*image), sizeof(uint64_t));
  }
  return true;
}

Column matched(const Column& from, const std::vector<int64_t>& match) {
  Column out{from.name, from.type};
  out.words = from.words;
  out.reserve(match.size());
  for (int64_t row : match) {
    if (row == kNoRow)
      out.add_missing();
    else if (from.type == v1::TEXT)
      out.codes.push_back(from.codes[static_cast<size_t>(row)]);
    else if (from.type == v1::TIMESTAMP)
      out.times.push_back(from.times[static_cast<size_t>(row)]);
    else if (from.type == v1::BYTES)
      out.blobs.push_back(from.blobs[static_cast<size_t>(row)]);
    else if (from.type == v1::TOKENS)
      out.lists.push_back(from.lists[static_cast<size_t>(row)]);
    else
      out.numbers.push_back(from.numbers[static_cast<size_t>(row)]);
  }
  return out;
}

}  // namespace

Result<uint64_t> left_join(SourceTable& left, const SourceTable& right, const v1::Join& join) {
  std::vector<KeyPart> parts;
  for (const std::string& name : join.on()) parts.push_back(TRY(key_part(left, right, name, 0)));
  if (!join.hour().empty()) {
    parts.push_back(TRY(key_part(left, right, join.hour(), from_proto(join.shift()).count())));
    if (left.table.find(join.hour())->type != v1::TIMESTAMP)
      return invalid_argument(
          fmt::format("join hour '{}' holds {} values in {}; timestamps such as "
                      "2013-01-01T10:00:00Z are needed",
                      join.hour(), type_word(left.table.find(join.hour())->type), left.name));
  }
  if (parts.empty())
    return invalid_argument(fmt::format("the join with {} names no column; give `on` or `hour`", right.name));

  std::unordered_map<std::string, int64_t> row_of;
  row_of.reserve(right.table.rows());
  std::string key;
  for (size_t row = 0; row < right.table.rows(); ++row) {
    if (!key_of(
            parts, [&](const KeyPart& part) { return part.right(row); }, key))
      continue;
    const auto [found, fresh] = row_of.try_emplace(key, static_cast<int64_t>(row));
    if (!fresh)
      return invalid_argument(
          fmt::format("{} and {} have the same join key; each key may occur once: remove one of the "
                      "rows, or join on more columns",
                      right.where(static_cast<size_t>(found->second)), right.where(row)));
  }
  uint64_t matches = 0;
  std::vector<int64_t> match(left.table.rows(), kNoRow);
  for (size_t row = 0; row < match.size(); ++row) {
    if (!key_of(
            parts, [&](const KeyPart& part) { return part.left(row); }, key))
      continue;
    const auto found = row_of.find(key);
    if (found == row_of.end()) continue;
    match[row] = found->second;
    ++matches;
  }
  for (const std::string& name : join.take()) {
    const Column* from = right.table.find(name);
    CHECK(from, "the importer loads every taken column");
    left.table.add(matched(*from, match));
  }
  return matches;
}

}  // namespace rekindle::dataio
