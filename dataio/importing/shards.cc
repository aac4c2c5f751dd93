#include "dataio/importing/shards.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <boost/json.hpp>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include "base/files.h"
#include "base/units.h"
#include "dataio/csv/source.h"
#include "dataio/csv/typed.h"
#include "dataio/importing/tar.h"

namespace rekindle::dataio {
namespace {

namespace json = boost::json;

constexpr size_t kNamesInMessage = 20;
constexpr char kSampleColumn[] = "sample";

struct Shard {
  fs::path path;
  std::string name;
};

// The pattern is one of file names; the folders before it are taken as they stand.
Result<std::vector<Shard>> matching(const std::string& pattern, const fs::path& folder) {
  TRY_STATUS(check_beneath(pattern));
  const fs::path within = fs::path(pattern).parent_path();
  const std::string names = fs::path(pattern).filename();
  std::vector<Shard> out;
  std::error_code error;
  for (fs::directory_iterator it(folder / within, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (::fnmatch(names.c_str(), name.c_str(), FNM_PERIOD) == 0 && it->is_regular_file())
      out.push_back({it->path(), (within / name).string()});
  }
  if (out.empty())
    return not_found(
        fmt::format("no file matches {} in {}; name its folder with --source", pattern, folder.string()));
  if (out.size() > kShardsMax)
    return resource_exhausted(
        fmt::format("{} files match {}; at most {} are read at once", out.size(), pattern, kShardsMax));
  std::sort(out.begin(), out.end(), [](const Shard& a, const Shard& b) { return a.name < b.name; });
  return out;
}

enum class Kind { kOther, kImage, kClass, kText, kJson };

struct MemberName {
  std::string sample, column;
  Kind kind = Kind::kOther;
};

MemberName parse_name(const std::string& path) {
  const size_t base = path.rfind('/') + 1;  // npos + 1 is 0
  const size_t dot = path.find('.', base);
  if (dot == std::string::npos || dot == base) return {};
  std::string ending = path.substr(dot + 1);
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const size_t last = ending.rfind('.');
  const std::string type = last == std::string::npos ? ending : ending.substr(last + 1);
  MemberName out{path.substr(0, dot), last == std::string::npos ? "" : ending.substr(0, last)};
  if (type == "jpg" || type == "jpeg" || type == "png")
    out.kind = Kind::kImage;
  else if (type == "cls")
    out.kind = Kind::kClass;
  else if (type == "txt")
    out.kind = Kind::kText;
  else if (type == "json")
    out.kind = Kind::kJson;
  if (out.column.empty())
    out.column = out.kind == Kind::kImage ? "image" : out.kind == Kind::kClass ? "class" : "text";
  return out;
}

// A column as it grows; rows that lack it are filled up when it is next given.
struct Growing {
  v1::ColumnType type = v1::TEXT;  // or BYTES, TOKENS
  std::deque<std::string> fields;  // TEXT: an empty one is missing
  Column values;                   // BYTES, TOKENS

  size_t rows() const { return type == v1::TEXT ? fields.size() : values.rows(); }
  void fill(size_t rows) {
    while (this->rows() < rows) type == v1::TEXT ? void(fields.emplace_back()) : values.add_missing();
  }
};

class Samples {
 public:
  explicit Samples(std::span<const std::string> wanted) : wanted_(wanted.begin(), wanted.end()) {}

  Status add(const Shard& shard);
  size_t rows() const { return samples_->size(); }
  Result<SourceTable> table(const v1::SourceFile& spec, std::span<const std::string> wanted);

 private:
  Status add_member(TarReader& tar, const MemberName& name);
  Status add_json(const std::string& text, const std::string& where);
  // Room for one value of the newest row; nothing for a column that nobody wants.
  Result<Growing*> room(const std::string& column, v1::ColumnType type, const std::string& where);
  Status start_sample(const Shard& shard, const std::string& sample, std::set<std::string>& in_shard);

  const std::set<std::string> wanted_;
  std::map<std::string, Growing> columns_;
  std::set<std::string> header_{kSampleColumn};
  struct Sample {
    std::string shard, key;
  };
  std::shared_ptr<std::vector<Sample>> samples_ = std::make_shared<std::vector<Sample>>();
  uint64_t bytes_ = 0;
};

Result<Growing*> Samples::room(const std::string& column, v1::ColumnType type, const std::string& where) {
  if (column == kSampleColumn)
    return invalid_argument(fmt::format("{}: the column '{}' is the sample's name; call this one otherwise",
                                        where, kSampleColumn));
  header_.insert(column);
  if (!wanted_.contains(column)) return nullptr;
  Growing& to = columns_[column];
  const size_t row = samples_->size() - 1;
  if (to.rows() == 0) {
    to.type = type;
    to.values = Column{column, type};
  }
  if (to.type != type)
    return invalid_argument(fmt::format("{}: column '{}' is {} here and {} before; a column is one kind",
                                        where, column, type_word(type), type_word(to.type)));
  if (to.rows() > row)
    return invalid_argument(fmt::format("{}: sample '{}' has a second value of column '{}'", where,
                                        samples_->back().key, column));
  to.fill(row);
  return &to;
}

// A scalar as the text of a field, a list of whole numbers as tokens.
Status Samples::add_json(const std::string& text, const std::string& where) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value document = json::parse(text, error, {}, options);
  if (error || !document.is_object())
    return invalid_argument(
        fmt::format("{} is no JSON object: {}", where, error ? error.message() : "another value"));
  for (const auto& [key, value] : document.get_object()) {
    const std::string column(key);
    if (value.is_object())
      return invalid_argument(
          fmt::format("{}: '{}' is an object; columns are scalars or lists of whole numbers", where, column));
    if (value.is_array()) {
      Growing* to = TRY(room(column, v1::TOKENS, where));
      std::vector<int32_t> tokens;
      for (const json::value& token : value.get_array()) {
        if (!token.is_int64() || token.get_int64() < 0 || token.get_int64() > INT32_MAX)
          return invalid_argument(
              fmt::format("{}: '{}' is no list of whole numbers from 0 to {}", where, column, INT32_MAX));
        tokens.push_back(static_cast<int32_t>(token.get_int64()));
      }
      if (tokens.size() > kTokensMax)
        return invalid_argument(fmt::format("{}: '{}' has {} tokens; at most {} are taken", where, column,
                                            tokens.size(), kTokensMax));
      if (to) to->values.add_list(std::move(tokens));
      continue;
    }
    if (value.is_null()) {
      header_.insert(column);
      continue;
    }
    if (Growing* to = TRY(room(column, v1::TEXT, where)))
      to->fields.push_back(value.is_string() ? std::string(value.get_string()) : json::serialize(value));
  }
  return ok_status();
}

Status Samples::add_member(TarReader& tar, const MemberName& name) {
  const std::string where = fmt::format("{}: member '{}'", samples_->back().shard, tar.path());
  const bool image = name.kind == Kind::kImage;
  if (name.kind != Kind::kJson && !wanted_.contains(name.column)) {
    header_.insert(name.column);
    return ok_status();
  }
  std::string bytes = TRY(tar.read(image ? kBlobBytesMax : kMemberTextBytesMax));
  bytes_ += bytes.size();
  if (bytes_ > kSourceBytesMax)
    return resource_exhausted(fmt::format("{}: the shards hold more than {}; import them in parts", where,
                                          format_bytes(kSourceBytesMax)));
  if (image) {
    if (Growing* to = TRY(room(name.column, v1::BYTES, where))) to->values.add_blob(std::move(bytes));
    return ok_status();
  }
  if (first_bad_byte(bytes)) return invalid_argument(where + " is no UTF-8 text");
  if (name.kind == Kind::kJson) return add_json(bytes, where);
  while (!bytes.empty() && (bytes.back() == '\n' || bytes.back() == '\r')) bytes.pop_back();
  if (Growing* to = TRY(room(name.column, v1::TEXT, where))) to->fields.push_back(std::move(bytes));
  return ok_status();
}

Status Samples::start_sample(const Shard& shard, const std::string& sample, std::set<std::string>& in_shard) {
  if (!in_shard.insert(sample).second)
    return invalid_argument(
        fmt::format("{}: sample '{}' comes a second time after others; members of one sample stand together",
                    shard.name, sample));
  samples_->push_back({shard.name, sample});
  return ok_status();
}

Status Samples::add(const Shard& shard) {
  TarReader tar = TRY(TarReader::open(shard.path, shard.name));
  std::set<std::string> in_shard, members;
  while (TRY(tar.next())) {
    if (!members.insert(tar.path()).second)
      return invalid_argument(fmt::format("{}: member '{}' is there twice", shard.name, tar.path()));
    const MemberName name = parse_name(tar.path());
    if (name.kind == Kind::kOther) continue;
    if (in_shard.empty() || samples_->back().key != name.sample)
      TRY_STATUS(start_sample(shard, name.sample, in_shard));
    TRY_STATUS(add_member(tar, name));
  }
  return ok_status();
}

Result<SourceTable> Samples::table(const v1::SourceFile& spec, std::span<const std::string> wanted) {
  SourceTable out;
  out.name = spec.shards();
  out.header.assign(header_.begin(), header_.end());
  out.where = [samples = samples_](size_t row) { return (*samples)[row].shard + ":" + (*samples)[row].key; };
  TRY_STATUS(check_types(spec, out.name, out.header));
  for (const std::string& name : wanted) {
    if (out.table.find(name)) continue;
    const v1::ColumnType type = type_given(spec, name);
    Growing growing;
    const auto found = columns_.find(name);
    if (found != columns_.end()) growing = std::move(found->second);
    if (name == kSampleColumn)
      for (const Sample& sample : *samples_) growing.fields.push_back(sample.key);
    if (!header_.contains(name)) {
      std::string names;
      for (size_t i = 0; i < std::min(out.header.size(), kNamesInMessage); ++i)
        names += (i ? ", " : "") + out.header[i];
      return not_found(fmt::format("{} have no column '{}'; their samples have: {}", out.name, name, names));
    }
    growing.fill(samples_->size());
    if (growing.type != v1::TEXT) {
      if (type != v1::COLUMN_TYPE_UNSPECIFIED && type != growing.type)
        return invalid_argument(fmt::format("{}: column '{}' holds {} values, `types` says {}", out.name,
                                            name, type_word(growing.type), type_word(type)));
      out.table.add(std::move(growing.values));
      continue;
    }
    const std::vector<std::string_view> fields(growing.fields.begin(), growing.fields.end());
    out.table.add(TRY(
        typed_column(name, fields, missing_text(spec), name == kSampleColumn ? v1::TEXT : type, out.where)));
  }
  return out;
}

}  // namespace

Result<SourceTable> load_shards(const v1::SourceFile& spec, const fs::path& folder,
                                std::span<const std::string> wanted) {
  Samples samples(wanted);
  for (const Shard& shard : TRY(matching(spec.shards(), folder))) TRY_STATUS(samples.add(shard));
  if (samples.rows() == 0)
    return invalid_argument(
        fmt::format("{}: no member is part of a sample (.jpg, .png, .cls, .txt, .json)", spec.shards()));
  return samples.table(spec, wanted);
}

}  // namespace rekindle::dataio
