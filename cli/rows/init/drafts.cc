#include "cli/rows/init/drafts.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <filesystem>

#include "base/units.h"
#include "cli/output.h"

namespace rekindle::cli {
namespace {

using std::chrono::hours;

constexpr int64_t kVerdictRows = 2000;  // a holdout of fewer tells small gains from none only by luck

// A plain word where YAML reads it as text everywhere, else in double quotes.
std::string word(const std::string& text) {
  const bool plain = text.size() > 3 && std::isalpha(static_cast<unsigned char>(text[0])) &&
                     std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_'; }) &&
                     text != "true" && text != "false" && text != "null";
  return plain ? text : boost::json::serialize(boost::json::string(text));
}

std::string list(const std::vector<std::string>& words) {
  std::vector<std::string> written;
  for (const std::string& w : words) written.push_back(word(w));
  return fmt::format("[{}]", fmt::join(written, ", "));
}

std::vector<std::string> columns(const Inspection& found, Use use) {
  std::vector<std::string> out;
  for (const Finding& f : found.findings)
    if (f.use == use) out.push_back(f.column);
  return out;
}

// Rounded up to whole hours, from two days on to whole days.
std::string up(Micros time) {
  const auto whole = std::max<int64_t>(1, (time + hours(1) - Micros(1)) / hours(1));
  return format_duration(hours(whole <= 48 ? whole : (whole + 23) / 24 * 24));
}

// Days of holdout: a week, or more where a week has too few labelled rows, but no more than a fifth of all.
int64_t holdout_days(const Inspection& found) {
  const auto days = std::max<int64_t>(1, (found.last - found.first) / hours(24));
  const int64_t needed = kVerdictRows * days / std::max<int64_t>(1, found.labelled) + 1;
  return std::min(std::max<int64_t>(7, needed), std::max<int64_t>(1, days / 5));
}

std::string label_line(const Inspection& found, const std::string& label) {
  std::string out = fmt::format("  label: {{column: {}, kind: ", word(label));
  out += lower(v1::Label::Kind_Name(found.label_kind));
  out += fmt::format(", matures: {}", found.matures > Micros(0) ? up(found.matures) : "1d");
  if (!found.classes.empty()) out += fmt::format(", classes: {}", list(found.classes));
  out += "}  # ";
  return out + (found.matures > Micros(0)
                    ? fmt::format("99 % of {} come within this time", word(found.matures_from))
                    : std::string("matures is a guess: how long after the event may the label still come?"));
}

}  // namespace

std::string name_from_file(const std::string& file) {
  std::string stem = std::filesystem::path(file).filename().string();
  stem = stem.substr(0, stem.find('.'));
  std::string out;
  for (const char c : stem) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) && u < 128)
      out += static_cast<char>(std::tolower(u));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() || !std::isalpha(static_cast<unsigned char>(out[0])) ? "data-" + out + "1" : out;
}

std::string draft_import(const Inspection& found, const std::string& name, const std::string& file) {
  std::vector<std::string> kept;
  std::string time;
  for (const Finding& f : found.findings) {
    if (f.use != Use::kLeftOut) kept.push_back(f.column);
    if (f.use == Use::kTime) time = f.column;
  }
  return fmt::format(
      "# How the file becomes a dataset: rekindle dataset import THIS --source FOLDER\n"
      "rekindle: 1\n"
      "dataset: {}\n"
      "rows: {{file: {}}}\n"
      "keep: {}\n"
      "time: {}\n",
      name, word(std::filesystem::path(file).filename().string()), list(kept), word(time));
}

std::string draft_job(const Inspection& found, const std::string& name, const std::string& dataset) {
  const auto numeric = columns(found, Use::kNumeric), categorical = columns(found, Use::kCategorical);
  std::string text = fmt::format(
      "# A draft from {} rows, {} to {}. `rekindle plan --resolved THIS` shows every default with its "
      "reason.\n"
      "rekindle: 1\n"
      "name: {}\n"
      "data:\n"
      "  initial: {}\n"
      "  time: {}\n",
      found.rows, format_time(found.first), format_time(found.last), name, dataset,
      word(columns(found, Use::kTime).at(0)));
  text += label_line(found, columns(found, Use::kLabel).at(0)) + "\n";
  if (!numeric.empty()) text += fmt::format("  numeric: {}\n", list(numeric));
  if (!categorical.empty()) text += fmt::format("  categorical: {}\n", list(categorical));
  bool first = true;
  for (const Finding& f : found.findings) {
    if (f.use != Use::kSuspect && f.use != Use::kLeftOut) continue;
    if (std::exchange(first, false)) text += "  # Left out:\n";
    text += fmt::format("  #   {}: {}\n", word(f.column), f.reason);
  }
  const bool small = categorical.empty() && found.rows < 10'000;
  text += fmt::format("train: {{model: {}}}\n", small ? "linear" : "tabular");
  const bool classes = found.label_kind != v1::Label::REGRESSION;
  text += fmt::format(
      "retrain: {{when: [drift, quality], at_most: {{runs: 8, per: 365d}}, cooldown: 7d}}\n"
      "gate: {{holdout: {}d, metric: {}, beat: champion}}\n"
      "serve: {{canary: 10%, bake: 1d}}\n",
      holdout_days(found), classes ? "log_loss" : "squared_error");
  return text;
}

}  // namespace rekindle::cli
