// pools.yaml: what an operator says of the places where runs may be launched, read and checked like a job
// spec. Pure: text in, messages and refusals out.
//
// The schema is proto/rekindle/v1/pool.proto.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::jobs {

// With all defaults. A refusal is invalid_argument with up to 20 lines "file:line:column: what is wrong".
Result<v1::PoolsFile> parse_pools(std::string_view yaml, std::string_view filename);

// What holds while there is no file: this host, as pool `local`.
v1::PoolsFile default_pools();

const v1::Pool* find_pool(const v1::PoolsFile& pools, std::string_view name);  // nullptr: none
// "no pool 'gpuu'; did you mean 'gpu'?"
Status no_such_pool(const v1::PoolsFile& pools, std::string_view name);

// Fields of a resolved spec that the pool's launcher does not carry out as written.
std::vector<v1::Unheeded> unheeded(const v1::JobSpec& spec, const v1::Pool& pool);

// Whether runs of this resolved spec may be launched there: its limits allow it, and what the launcher does
// not carry out is waived. failed_precondition names each field that stands in the way.
Status check_pool(const v1::JobSpec& spec, const v1::Pool& pool);

}  // namespace rekindle::jobs
