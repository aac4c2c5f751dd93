// What the store holds in memory of one model, and how rows of it are read and written.
//
// Private to this folder. Counts of the slots that a judgement may still look at are kept here, so that
// judging a slot reads no counts from the file; they are the file's content exactly, rebuilt at start.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataio/labels.h"
#include "drift/quality.h"
#include "events/database.h"
#include "events/store.h"
#include "rekindle/v1/event_store.pb.h"

namespace rekindle::events {

// One (version, node) of one slot.
using SlotParts = std::map<std::pair<uint64_t, std::string>, v1::SlotCounts>;
using Slots = std::map<int64_t, SlotParts>;

struct ModelLog {
  std::string name;
  Totals totals;
  int64_t newest_us = 0;
  // From the first judgement on: slots from a little more than two weeks or windows before the newest judged
  // one.
  bool judging = false;
  Slots slots;
  std::map<int64_t, std::map<std::string, drift::SlotHealth>>
      health;  // of `slots`, by node; made when asked for
  v1::JudgeState state;
};

Result<ModelLog> load_model(Database& db, std::string_view model);
// Totals and newest event time, within the caller's transaction.
Status save_model(Database& db, const ModelLog& log);

// Counts of one version, nodes added up, by slot.
Result<std::vector<v1::SlotCounts>> read_counts(Database& db, std::string_view model, uint64_t version,
                                                int64_t from_us, int64_t until_us);

std::string pack(std::span<const double> values);
std::vector<double> unpack(std::string_view bytes);

// One request with its labels, as scoring and settling read them.
struct LabelledRequest {
  std::string id;
  uint64_t version = 0;
  int64_t time_us = 0;
  std::string node;
  std::string labelled_by;
  std::vector<double> predictions;  // row-major, as many a row as its version has outputs
  std::vector<double> labels;       // NaN: not known
  v1::RequestRecord record;         // only when asked for
};

// Requests of [from, until) by (event time, id) that have labels known by `known_until_us`.
Result<std::vector<LabelledRequest>> read_labelled(Database& db, std::string_view model, int64_t from_us,
                                                   int64_t until_us, int64_t known_until_us,
                                                   bool with_record);

// Adds one batch's or one client's records, within the caller's transaction; totals change with them. What
// predictions and labels may be is the rule's.
class Intake {
 public:
  Intake(Database& db, ModelLog& log, const v1::Label& label) : db_(db), log_(log), rule_(label) {}

  // Outside failures end the call; a refused record is counted and the call goes on.
  Status request(const v1::RequestRecord& record, std::string_view node);
  // `node` has passed them on: their source when they name none.
  Status labels(const v1::LabelRecord& record, std::string_view node);
  Status counts(const v1::SlotCounts& counts, std::string_view node);

  uint32_t requests_taken() const { return requests_; }
  uint32_t labels_taken() const { return labels_; }
  uint32_t refused() const { return refused_; }
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  void refuse(const std::string& why);

  Database& db_;
  ModelLog& log_;
  const dataio::LabelRule rule_;
  uint32_t requests_ = 0, labels_ = 0, refused_ = 0;
  std::string first_refusal_;
};

}  // namespace rekindle::events
