// What a replay found: figures per week and over all, as lines for a person and as JSON. Pure.
//
// Every field but those whose name ends in _seconds or begins with unrecorded_ is the same for two replays of
// the same rows, however fast the machine was.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataio/history/figures.h"
#include "dataio/labels.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli::replay {

using dataio::history::Figures;
using dataio::history::figures_of;

struct Week {
  int64_t from_us = 0, until_us = 0;
  uint64_t rows = 0;                      // sent
  std::map<uint64_t, uint64_t> versions;  // rows answered by each
  uint64_t in_service = 0;                // greatest share of the plan at the week's end
  Figures served;
  std::optional<Figures> frozen;
  // The score that came nearest to its threshold, or furthest past it.
  double drift = 0, drift_threshold = 0;
  std::string drift_feature;
  std::vector<std::string> quality_fired;
  std::vector<std::string> runs;  // triggered in this week
  std::string decision;           // for or against a run, in words
};

struct TriggeredRun {
  std::string id, cause, detail, outcome;  // outcome: "published", ...
  int64_t as_of_us = 0;
  uint64_t version = 0;
};

struct Report {
  std::string model, dataset;
  dataio::LabelRule rule = dataio::LabelRule();  // what the figures are of
  int64_t from_us = 0, until_us = 0;
  uint64_t rows = 0, labels_sent = 0;
  uint64_t requests_answered = 0, requests_failed = 0;
  uint64_t unrecorded_answered = 0, unrecorded_failed = 0;
  uint64_t versions_published = 0, versions_rejected = 0;
  std::vector<TriggeredRun> runs;
  std::vector<double> trigger_to_serving_seconds;
  double replay_seconds = 0, retry_seconds = 0, cron_seconds = 0;
  Figures served;
  std::optional<Figures> frozen, cron, constant, table;
  uint64_t compared = 0;  // the frozen version
  uint64_t cron_fits = 0;
  std::string table_by;
  std::vector<Week> weeks;
};

// Takes what a judged slot says into the week. Windows shorter than `length_us` (of a version that is young)
// are not compared with anything: a part of a week always looks like drift.
void note_window(Week& week, const v1::JudgedWindow& window, int64_t length_us);

std::string week_line(const dataio::LabelRule& rule, const Week& week, uint64_t compared);
std::string summary(const Report& report);
std::string json_of(const Report& report);

}  // namespace rekindle::cli::replay
