#include "jobs/check_fit.h"

#include <fmt/format.h>

#include "jobs/ranks.h"

namespace rekindle::jobs {
namespace {

// A script fits its model itself: these would be read by nobody.
void check_script(const v1::Train& train, Problems& problems) {
  const auto refuse = [&](const char* field, const char* instead) {
    problems.add(field, fmt::format("is for the built-in kinds; {}", instead));
  };
  if (train.start().has_champion() || train.start().has_version())
    refuse("train.start", "the script of train.command begins its parameters itself");
  if (train.precision() == v1::BF16) refuse("train.precision", "the script of train.command chooses its own");
  if (train.accumulate() > 1)
    refuse("train.accumulate", "the script of train.command cuts its batches itself");
  if (train.reduction().kind() == v1::Reduction::FLAT || train.reduction().kind() == v1::Reduction::BUCKETS ||
      train.reduction().compress() == v1::Reduction::HALF ||
      train.reduction().compress() == v1::Reduction::BFLOAT)
    refuse("train.reduction", "the script of train.command brings its ranks together itself");
}

}  // namespace

void check_fit(const v1::JobSpec& spec, Problems& problems) {
  const v1::Train& train = spec.train();
  if (train.command_size() > 0) return check_script(train, problems);
  const RankRange ranks = rank_range(train.ranks());
  if (const uint64_t parts = uint64_t{train.accumulate()} * ranks.max; parts > train.batch())
    problems.add(
        "train.accumulate",
        fmt::format("{} ranks of {} parts cut a batch of {} rows into less than a row each; at most {}",
                    ranks.max, train.accumulate(), train.batch(),
                    std::max<uint32_t>(1, train.batch() / ranks.max)));
  const v1::Sgd& sgd = train.optimizer().sgd();
  if (sgd.nesterov() && sgd.momentum() == 0)
    problems.add("train.optimizer.sgd.nesterov", "needs momentum; write for example: momentum: 0.9");
  if (train.tf32() && train.ranks().gpus() == 0)
    problems.add("train.tf32", "is of GPUs; write for example: ranks: {count: 1, gpus: 1}");
  if (train.start().has_version() && train.start().version() == 0)
    problems.add("train.start.version", "versions are counted from 1; write scratch for none");
}

}  // namespace rekindle::jobs
