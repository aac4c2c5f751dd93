#include "jobs/check_fit.h"

#include <fmt/format.h>

#include "jobs/ranks.h"

namespace rekindle::jobs {

void check_fit(const v1::JobSpec& spec, Problems& problems) {
  const v1::Train& train = spec.train();
  if (train.command_size() > 0) return;  // check_command refuses what a script decides itself
  const RankRange ranks = rank_range(train.ranks());
  const uint64_t parts = uint64_t{train.accumulate()} * ranks.max;
  if (train.accumulate() > 1 && parts > train.batch())
    problems.add(
        "train.accumulate",
        fmt::format("{} ranks of {} parts cut a batch of {} rows into less than a row each; at most {}",
                    ranks.max, train.accumulate(), train.batch(),
                    std::max<uint32_t>(1, train.batch() / ranks.max)));
  const v1::Sgd& sgd = train.optimizer().sgd();
  if (sgd.nesterov() && sgd.momentum() == 0)
    problems.add("train.optimizer.sgd.nesterov", "Nesterov needs momentum; write for example: momentum: 0.9");
  if (train.tf32() && train.ranks().gpus() == 0)
    problems.add("train.tf32", "TF32 is of GPUs; write for example: ranks: {count: 1, gpus: 1}");
  if (train.start().has_version() && train.start().version() == 0)
    problems.add("train.start.version", "versions are counted from 1; write scratch for none");
}

}  // namespace rekindle::jobs
