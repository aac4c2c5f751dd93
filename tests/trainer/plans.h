// Attempts over made-up rows, run with the real rekindle-trainer.
#pragma once

#include <functional>
#include <memory>

#include "artifacts/store.h"
#include "dataio/table.h"
#include "launch/attempt_folder.h"
#include "models/network.h"
#include "rekindle/v1/attempt.pb.h"
#include "run_ranks.h"

namespace rekindle::trainer {

// Rows of ten days whose label depends on numbers and categories; some labels and values are missing.
dataio::Table made_up_rows(size_t count, uint64_t salt = 0);

// A run folder in a temporary place, with an artifact store and one snapshot of rows whose column of time
// is `when`.
class TestRun {
 public:
  explicit TestRun(const dataio::Table& rows = made_up_rows(6000));
  ~TestRun();

  v1::Plan plan(uint32_t world) const;  // attempt 1
  // Runs the plan in the folder of its attempt, to the end. `ready` as in run_command.
  Ended run(const v1::Plan& plan, const std::function<void(int)>& ready = {});
  // The same under its supervisor, which starts mpirun and the ranks as in service.
  Ended run_gang(const v1::Plan& plan);
  // Returns when no process of the attempt is left, nor shared memory of a gang; fails the test when that
  // takes a minute.
  void await_no_process(const v1::Plan& plan) const;
  std::string logs(const v1::Plan& plan) const;  // of supervisor and ranks
  launch::AttemptFolder folder(const v1::Plan& plan) const;
  v1::Outcome outcome(const v1::Plan& plan) const;  // of an attempt that must have one
  std::vector<v1::Report> reports(const v1::Plan& plan, int rank) const;
  models::Parameters parameters(const std::string& manifest) const;

  fs::path root;
  std::unique_ptr<artifacts::Store> store;
  v1::DatasetSnapshot snapshot;
  int64_t first_us = 0;  // of the rows
};

inline constexpr int64_t kDayUs = 86'400'000'000;

}  // namespace rekindle::trainer
