// What a backtest found, as it is printed, written and drawn. Plain values; knows no fit and no store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backtest/judge/oracle.h"

namespace rekindle::backtest {

inline constexpr const char* kOwn = "rekindle";

// One retraining of a policy.
struct RunLine {
  int64_t as_of_us = 0;
  std::string cause;       // "drift", "every 28d"
  std::string detail;      // a sentence
  std::string outcome;     // "published", "rejected", ...
  std::string reason;      // why it ended so
  int64_t serving_us = 0;  // 0: never
  uint64_t rows = 0;       // trained on
  double seconds = 0;
  bool kept = false;  // it was in the store of fits already
};

struct PolicyLine {
  std::string name;
  std::vector<RunLine> runs;   // after the first version
  double loss = 0, score = 0;  // over all labelled rows
  double least = 0, most = 0;  // loss over all seeds
  std::vector<double> losses;  // by slice, NaN without labelled rows
  // Of all fits, the first version's, the rejected and the shadows among them.
  uint64_t fits = 0, rows = 0;
  double seconds = 0;
  double share = 0;       // of the gain of the best schedule of as many fits; NaN: nothing to gain
  double best = 0;        // that schedule's loss
  double delay_days = 0;  // see docs/backtest.md; NaN: none
  bool front = false;     // nobody is both cheaper and better
};

// Rows that the loop took for a broken feed: nothing was trained on them, as nobody was there to release
// them.
struct HeldLine {
  std::string check, feature, source;  // as `rekindle quarantine list` names them
  int64_t from_us = 0, until_us = 0;   // event times
  uint64_t rows = 0;
  std::string reason;
};

// Boosted trees, refitted at the end of every slice on the rows that the job's own fits had.
struct TreesLine {
  std::string missing;  // why there are none; both empty: not asked for
  std::optional<PolicyLine> line;
  Gain over_own;  // over what rekindle served
};

// A policy for a budget, and how it did on what it was not tuned on.
struct SuggestedLine {
  std::string name;  // empty: none was asked for
  std::string spec;  // how a spec says it; empty: it cannot
  uint64_t budget = 0;
  uint64_t fits = 0;           // after version 1, over the whole history
  int64_t tuned_until_us = 0;  // what follows is of the rows from there on
  double loss = 0, never = 0, own = 0;
};

struct SliceLine {
  int64_t from_us = 0, until_us = 0;
  uint64_t rows = 0;  // labelled
};

struct Report {
  std::string model, data;
  int64_t from_us = 0, until_us = 0;
  uint64_t rows = 0, labelled = 0;
  std::string loss_name, score_name;  // "log-loss", "AUROC"
  int64_t slice_us = 0, label_delay_us = 0, run_takes_us = 0;
  std::vector<SliceLine> slices;
  std::vector<PolicyLine> policies;
  std::vector<HeldLine> held;
  double never = 0;                 // loss of the first version, kept for ever
  std::vector<double> best;         // loss of the best schedule of 1, 2, ... fits
  std::vector<int64_t> best_turns;  // of the best schedule of as many fits as rekindle made
  SuggestedLine suggested;
  TreesLine trees;
  uint32_t seeds = 1;
  size_t fits_made = 0, fits_kept = 0;  // in all: trained now, and found in the store of fits
  Gain gain;                            // of the best schedule of all over never
  double still = 1;    // probability that differences between fits move as much in a world that stands still
  double seconds = 0;  // wall clock of the whole backtest
  std::string verdict;
};

// Below this probability the world is taken to have moved.
inline constexpr double kStill = 0.001;

const PolicyLine* find_policy(const Report& report, const std::string& name);

// The same backtest with another seed: its losses widen the bands of the policies of the same name.
void widen_bands(Report& report, const Report& other);

// In words; fills nothing in.
std::string verdict_of(const Report& report);
std::string suggestion_of(const Report& report);  // empty: none
std::string table_of(const Report& report);
std::string json_of(const Report& report);
std::string html_of(const Report& report);

}  // namespace rekindle::backtest
