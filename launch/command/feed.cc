#include "launch/command/feed.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <cmath>

#include "base/files/plain_file.h"
#include "base/log.h"
#include "proto/json.h"

namespace rekindle::launch {
namespace {

constexpr size_t kReadBytes = 256 * 1024;  // at a time
constexpr size_t kLineBytesMax = 64 * 1024;
constexpr size_t kNamesMax = 100;
constexpr uint64_t kMetricsMax = 200'000;  // reports of a rank and attempt
constexpr size_t kFoldersMax = 10'000;     // looked at in $REKINDLE_CHECKPOINT
constexpr size_t kShownBytes = 80;

bool metric_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-';
  });
}

std::string shown(std::string_view line) {
  std::string out(line.substr(0, kShownBytes));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  return out;
}

v1::Report note(std::string text) {
  v1::Report report;
  report.mutable_note()->set_text(std::move(text));
  return report;
}

uint64_t whole(double value) {
  return value >= 0 && value < 1e18 ? static_cast<uint64_t>(value) : 0;
}

std::optional<std::map<std::string, double>> numbers_of(std::string_view line) {
  google::protobuf::Struct object;
  if (!from_json(line, &object, UnknownFields::kRefused).ok()) return std::nullopt;
  std::map<std::string, double> out;
  for (const auto& [name, value] : object.fields()) {
    if (value.kind_case() == google::protobuf::Value::kNumberValue && std::isfinite(value.number_value()))
      out[name] = value.number_value();
  }
  return out;
}

}  // namespace

size_t MetricsFile::read_new(bool report, const Append& append) {
  good_now_ = 0;
  behind_ = false;
  const Result<std::string> bytes = read_plain_file_at(path_, offset_, kReadBytes);
  if (!bytes.ok() || bytes->empty()) return 0;
  behind_ = bytes->size() == kReadBytes;
  offset_ += bytes->size();
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view piece = rest.substr(0, end);
    if (!skipping_) rest_ += piece;
    if (rest_.size() > kLineBytesMax) {
      skipping_ = true;
      rest_.resize(kShownBytes);
    }
    if (end == std::string_view::npos) break;
    if (skipping_) rest_ = "too long: " + rest_;
    take_line(rest_, report, append);
    rest_.clear();
    skipping_ = false;
    rest.remove_prefix(end + 1);
  }
  if (progressed_ && report) {
    v1::Report out;
    *out.mutable_progress() = progress_;
    append(std::move(out));
  }
  progressed_ = false;
  return good_now_;
}

void MetricsFile::take_line(std::string_view line, bool report, const Append& append) {
  ++lines_;
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const auto fields = numbers_of(line);
  if (!fields.has_value()) {
    if (++bad_ == 1)
      append(note(fmt::format("line {} of $REKINDLE_METRICS is no JSON object: '{}'", lines_, shown(line))));
    return;
  }
  ++good_now_;
  if (report) take_fields(*fields, append);
}

void MetricsFile::take_fields(const std::map<std::string, double>& fields, const Append& append) {
  for (const auto& [name, value] : fields) {
    if (name == "step") step_ = whole(value), progress_.set_step(step_);
    if (name == "steps") progress_.set_steps(whole(value));
    if (name == "epoch") progress_.set_epoch(static_cast<uint32_t>(std::min(value, 4e9)));
    if (name == "epochs") progress_.set_epochs(static_cast<uint32_t>(std::min(value, 4e9)));
    if (name == "loss" || name == "train_loss") progress_.set_loss(value);
    if (name == "rows_per_second") progress_.set_rows_per_second(value);
  }
  progressed_ = progressed_ || !fields.empty();
  for (const auto& [name, value] : fields) {
    if (name == "step" || name == "steps" || name == "epoch" || name == "epochs") continue;
    const bool known = names_.contains(name);
    if (!metric_name(name) || (!known && names_.size() >= kNamesMax) || metrics_ >= kMetricsMax) {
      ++unreported_;
      continue;
    }
    names_.insert(name);
    ++metrics_;
    v1::Report report;
    report.mutable_metric()->set_name(name);
    report.mutable_metric()->set_step(step_);
    report.mutable_metric()->set_value(value);
    append(std::move(report));
  }
}

void MetricsFile::finish(const Append& append) const {
  if (bad_ > 1) append(note(fmt::format("{} lines of $REKINDLE_METRICS are no JSON objects", bad_)));
  if (unreported_ > 0)
    append(note(
        fmt::format("{} metrics were left out: names of letters, digits and _./-, at most {} of them, {} "
                    "values in all",
                    unreported_, kNamesMax, kMetricsMax)));
}

CheckpointWatch::CheckpointWatch(fs::path folder, uint32_t keep)
    : folder_(std::move(folder)), keep_(std::max<uint32_t>(1, keep)), known_(present()) {}

std::map<std::string, uint64_t> CheckpointWatch::present() const {
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code error;
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (++seen > kFoldersMax) break;
    const std::string name = entry.path().filename().string();
    if (name.front() == '.' || name.ends_with(".tmp") || entry.is_symlink(error) ||
        !entry.is_directory(error))
      continue;
    found.emplace_back(entry.last_write_time(error), name);
  }
  std::sort(found.begin(), found.end());
  std::map<std::string, uint64_t> out;
  for (const auto& [time, name] : found) out.emplace(name, out.size());
  return out;
}

size_t CheckpointWatch::look(uint64_t step, const Append& append) {
  order_ = std::max<uint64_t>(order_, known_.size());
  const std::map<std::string, uint64_t> now = present();
  std::erase_if(known_, [&now](const auto& item) { return !now.contains(item.first); });
  // By age: of two that came between two looks the older is reported first.
  std::map<uint64_t, std::string> fresh;
  for (const auto& [name, age] : now)
    if (!known_.contains(name)) fresh.emplace(age, name);
  for (const auto& [age, name] : fresh) {
    known_.emplace(name, order_++);
    ++committed_;
    const size_t last = name.find_last_not_of("0123456789");
    const std::string digits = name.substr(last == std::string::npos ? 0 : last + 1);
    v1::Report report;
    report.mutable_checkpoint()->set_step(digits.empty() || digits.size() > 18 ? step : std::stoull(digits));
    report.mutable_checkpoint()->set_folder((folder_ / name).string());
    append(std::move(report));
  }
  if (fresh.empty()) return 0;
  // What a script has synced must be found again by its name: the folder and the run's own, in which it lies,
  // may have been made without a sync.
  const fs::path run = folder_.parent_path();
  for (const fs::path& folder : {folder_, run, run.parent_path()})
    if (const Status lost = fsync_path(folder); !lost.ok())
      log_warning("a checkpoint's folder is not synced", {{"reason", lost.message()}});
  remove_oldest();
  return fresh.size();
}

void CheckpointWatch::remove_oldest() {
  std::map<uint64_t, std::string> by_age;
  for (const auto& [name, order] : known_) by_age.emplace(order, name);
  while (by_age.size() > keep_) {
    std::error_code ignored;
    fs::remove_all(folder_ / by_age.begin()->second, ignored);
    known_.erase(by_age.begin()->second);
    by_age.erase(by_age.begin());
  }
}

}  // namespace rekindle::launch
