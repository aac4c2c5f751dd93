#include "jobs/yaml/read.h"

#include <string>
#include <vector>

namespace rekindle::jobs::yaml {
namespace {

bool related(const std::string& a, const std::string& b) {
  const std::string& shorter = a.size() < b.size() ? a : b;
  const std::string& longer = a.size() < b.size() ? b : a;
  if (shorter.empty() || !longer.starts_with(shorter)) return false;
  return longer.size() == shorter.size() || longer[shorter.size()] == '.' || longer[shorter.size()] == '[';
}

// What was already complained about where it was written is not complained about again as missing.
void merge(const Problems& later, const Places& places, Problems& all) {
  const std::vector<Problem> before = all.items();
  for (const Problem& problem : later.items()) {
    bool known = false;
    for (const Problem& item : before) known |= related(item.path, problem.path);
    if (!known) all.add(problem.path, problem.message, places.find(problem.path));
  }
}

}  // namespace

Status read(std::string_view text, std::string_view filename, Message& written, Message& filled,
            const Rules& rules) {
  Problems problems;
  Places places;
  const NodePtr tree = parse(text, problems);
  if (!tree) return problems.status(filename);
  walk(*tree, written, places, problems);
  if (rules.written) rules.written(places, problems);
  filled.CopyFrom(written);
  Problems missing;
  rules.fill(missing);
  merge(missing, places, problems);
  if (problems.empty()) {
    Problems broken;
    rules.check(broken);
    merge(broken, places, problems);
  }
  return problems.status(filename);
}

}  // namespace rekindle::jobs::yaml
