// What a node tells of the requests that it answered: their records, and the counts over their rows. The same
// requests give the same batch.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataio/table.h"
#include "rekindle/v1/events.pb.h"
#include "serving/snapshot.h"

namespace rekindle::serving {

struct AnsweredRequest {
  std::shared_ptr<const Snapshot> snapshot;  // that it was answered from: time slot
  VersionPtr version;
  std::string request_id;
  dataio::Table rows;
  std::vector<double> predictions;
  int64_t event_us = 0;  // least of its rows
};

// The record of one request as the coordinator stores it.
v1::RequestRecord to_record(const AnsweredRequest& answered);

// Records and counts of requests of one model; node, boot and number are the caller's to set.
v1::EventBatch batch_of(const std::string& model, std::span<const AnsweredRequest* const> requests);

}  // namespace rekindle::serving
