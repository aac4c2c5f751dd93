// The Open Inference Protocol's infer call: JSON in, a table of the model's inputs out, and the answer back
// to JSON. Pure: no sockets, no clock but the one it is told.
//
// A request names columns, one tensor each of shape [n] or [n,1]: FP64, FP32 or INT64 for numbers, BOOL,
// BYTES for text; the event time is INT64 microseconds of UTC. Images are BYTES of base64 text (which
// parameters.content_type may say), tokens INT64 or INT32 of shape [n, length] with -1 after a row's last. A
// JSON null is a missing value. Every refusal says what was found, where, and what is wanted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::models {

struct InferLimits {
  size_t rows_max = 10'000;
  size_t text_bytes_max = 4096;              // of one value: longer ones are no category
  Micros ahead_max{std::chrono::hours(24)};  // an event time further in the future is a broken clock
};

inline constexpr size_t kRequestIdBytesMax = 200;

struct InferRequest {
  dataio::Table rows;    // the model's inputs in its order, event time included
  int64_t event_us = 0;  // least of the rows
};

// What must be known before a version is chosen: the request's id. The rest is read against that version.
class InferBody {
 public:
  // invalid_argument with the place of the mistake when it is no JSON object.
  static Result<InferBody> parse(std::string_view body);
  InferBody(InferBody&&) noexcept;
  InferBody& operator=(InferBody&&) noexcept;
  ~InferBody();

  const std::string& id() const { return id_; }  // empty: none was given
  bool record() const { return record_; }        // parameters.rekindle_record
  // The tensors as a table of the card's inputs.
  Result<InferRequest> read(const v1::ModelCard& card, const InferLimits& limits, Time now) const;

 private:
  struct Document;
  explicit InferBody(std::unique_ptr<Document> document);
  std::unique_ptr<Document> document_;
  std::string id_;
  bool record_ = true;
};

// Identifiers of requests: printable, 1 to 200 bytes.
Status check_request_id(std::string_view id);

struct InferAnswer {
  std::string_view model;
  uint64_t version = 0;
  std::string_view id;
  std::string_view output;  // name of the output tensor
  size_t width = 0;         // numbers a row, as shape [n, width]; 0: one, as shape [n]
  const std::vector<double>* values = nullptr;
};
std::string to_json(const InferAnswer& answer);

// GET /v2/models/M
std::string metadata_json(const v1::ModelCard& card, const std::vector<uint64_t>& versions);
std::string_view datatype_of(v1::ColumnType type);

}  // namespace rekindle::models
