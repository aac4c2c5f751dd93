#include "jobs/candidates/check.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "jobs/check.h"
#include "jobs/values.h"
#include "proto/candidates.h"

namespace rekindle::jobs {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr int kMostCandidates = 8;

std::string path_of(int index) {
  return fmt::format("train.candidates[{}]", index);
}

// A problem of the spec that a candidate makes, where it is written: "train.rows.last" in the candidate's own
// rows. What lies elsewhere is its doing all the same.
void add(const Problem& found, int index, const v1::Candidate& candidate, Problems& problems) {
  for (const std::string& name : field_names(*v1::Candidate::descriptor())) {
    const std::string path = "train." + name;
    if (found.path != path && !found.path.starts_with(path + ".")) continue;
    if (is_written(candidate, *v1::Candidate::descriptor()->FindFieldByName(name)))
      return problems.add(path_of(index) + found.path.substr(path.find('.')), found.message);
  }
  problems.add(path_of(index), fmt::format("{}: {}", found.path, found.message));
}

bool among(const Problem& problem, const Problems& known) {
  return std::any_of(known.items().begin(), known.items().end(), [&problem](const Problem& one) {
    return one.path == problem.path && one.message == problem.message;
  });
}

}  // namespace

void check_candidates(const v1::JobSpec& spec, Problems& problems) {
  const v1::Train& train = spec.train();
  if (train.candidates().empty() || train.command_size() > 0) return;  // check_command refuses a script's
  if (train.candidates_size() > kMostCandidates)
    return problems.add("train.candidates",
                        fmt::format("{} entries; at most {}: every run makes a fit of each",
                                    train.candidates_size(), kMostCandidates));
  std::vector<v1::Train> known = {train_of(train, 0)};
  v1::JobSpec one = spec;
  // What takes long to check and does not depend on how a run trains.
  one.clear_retrain();
  one.clear_waive();
  *one.mutable_train() = known.front();
  Problems everybodys;
  check_rules(one, everybodys);
  for (int i = 0; i < train.candidates_size(); ++i) {
    known.push_back(train_of(train, i + 1));
    const auto same = std::find_if(known.begin(), known.end() - 1, [&known](const v1::Train& other) {
      return MessageDifferencer::Equals(other, known.back());
    });
    if (same != known.end() - 1)
      problems.add(
          path_of(i),
          same == known.begin()
              ? "says nothing that train itself does not; write for example: {start: champion}"
              : fmt::format("says the same as {}", path_of(static_cast<int>(same - known.begin()) - 1)));
    *one.mutable_train() = known.back();
    Problems own;
    check_rules(one, own);
    for (const Problem& found : own.items())
      if (!among(found, everybodys)) add(found, i, train.candidates(i), problems);
  }
}

}  // namespace rekindle::jobs
