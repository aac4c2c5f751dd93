// What is wrong with a spec, collected: a person fixes twenty mistakes in one go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::jobs {

struct Place {
  int line = 0;  // from 1; 0: unknown
  int column = 0;
};

struct Problem {
  std::string path;  // "train.batch"; may be empty: the whole
  std::string message;
  Place place;
};

inline constexpr size_t kMostProblems = 20;

class Problems {
 public:
  // Keeps the first complaint about a path and place; what is more than kMostProblems is only counted.
  void add(std::string path, std::string message, Place place = {});
  bool empty() const { return items_.empty(); }
  const std::vector<Problem>& items() const { return items_; }
  // invalid_argument: "file:line:column: message" a line, or "path: message" where no place is known.
  Status status(std::string_view filename = {}) const;

 private:
  std::vector<Problem> items_;
  size_t more_ = 0;
};

// The candidate nearest to `word`, or empty when none is near enough to be meant.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace rekindle::jobs
