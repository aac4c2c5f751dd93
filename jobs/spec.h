// What a job is: the spec as its author writes it, resolved, checked and hashed. Pure: text and messages
// in, messages and refusals out; no files, no clock, no server.
//
// The schema is proto/rekindle/v1/job.proto with its field options; nothing here names a field that only
// carries a value. Rules that join several fields are in check.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/dataset.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {

// The spec as written (defaults not filled in), already known to resolve and to pass check().
// A refusal is invalid_argument with up to 20 lines "file:line:column: what is wrong".
Result<v1::JobSpec> parse_job(std::string_view yaml, std::string_view filename);

// The same for `rekindle dataset import`; defaults are filled in.
Result<v1::ImportSpec> parse_import(std::string_view yaml, std::string_view filename);

// One leaf of a resolved spec.
struct ResolvedField {
  std::string path;    // "train.limits.hang", "retrain.when[0].drift.psi"
  std::string value;   // in the author's form: "60s", "10%", "[128, 64]"
  std::string reason;  // why that default; "written in the spec" otherwise
  bool was_default = false;
};

struct Resolved {
  v1::JobSpec spec;
  std::vector<ResolvedField> fields;  // in the order of the schema
};

// Fills in defaults recursively. Refuses missing required fields and values out of bounds, naming each by
// its path: specs arrive through the API too. Resolving a resolved spec changes nothing.
Result<Resolved> resolve(const v1::JobSpec& spec);

// Rules that join fields (duplicate columns, the label among the features, a holdout longer than the
// rows, ...). Takes a spec as written or resolved.
Status check(const v1::JobSpec& spec);

// Of the deterministic serialisation: equal specs have equal hashes.
std::string spec_sha256(const v1::JobSpec& resolved);

// "flights@2013-01..2013-03" in its parts; "flights" alone has neither first nor last.
struct DatasetRef {
  std::string dataset;
  std::string first;  // empty: all snapshots
  std::string last;   // equal to first when one is named
};
Result<DatasetRef> parse_dataset_ref(std::string_view text);

}  // namespace rekindle::jobs
