#include "jobs/problems.h"

#include <fmt/format.h>

#include <algorithm>

namespace rekindle::jobs {
namespace {

// Edits between two short words; two neighbours swapped count as one (the commonest slip).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

void Problems::add(std::string path, std::string message, Place place) {
  for (const Problem& item : items_)
    if (item.path == path && (item.place.line == place.line || place.line == 0) &&
        (item.place.column == place.column || place.line == 0))
      return;
  if (items_.size() == kMostProblems) {
    ++more_;
    return;
  }
  items_.push_back({std::move(path), std::move(message), place});
}

Status Problems::status(std::string_view filename) const {
  if (items_.empty()) return ok_status();
  std::vector<Problem> sorted = items_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
  });
  std::string text;
  for (const Problem& item : sorted) {
    if (!text.empty()) text += '\n';
    if (item.place.line > 0)
      text += fmt::format("{}:{}:{}: {}", filename, item.place.line, item.place.column, item.message);
    else if (!filename.empty())
      text += fmt::format("{}: {}{}{}", filename, item.path, item.path.empty() ? "" : ": ", item.message);
    else
      text += item.path.empty() ? item.message : fmt::format("{}: {}", item.path, item.message);
  }
  if (more_ > 0) text += fmt::format("\nand {} more", more_);
  return invalid_argument(std::move(text));
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > 64) return {};
  std::string best;
  size_t best_distance = std::max<size_t>(1, std::min<size_t>(3, word.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    if (const size_t d = distance(word, candidate); d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace rekindle::jobs
