#include "cli/job_file.h"

#include <iostream>
#include <iterator>

#include "base/files.h"
#include "base/hash.h"
#include "jobs/spec.h"
#include "runtime/code.h"

namespace rekindle::cli {
namespace {

constexpr uint64_t kSpecBytesMax = 2 << 20;  // the reader refuses what is over 1 MiB, in its own words

}  // namespace

Result<std::string> read_spec(const std::string& file) {
  if (file != "-") return read_file(file, kSpecBytesMax);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Result<v1::JobSpec> load_job(const std::string& file) {
  const std::string text = TRY(read_spec(file));
  return jobs::parse_job(text, file == "-" ? "standard input" : file);
}

Status add_code(const std::string& file, artifacts::Store* store, v1::JobSpec& spec) {
  if (spec.train().code().empty()) return ok_status();
  const fs::path folder = (file == "-" ? fs::path() : fs::path(file).parent_path()) / spec.train().code();
  const std::string tar = TRY(runtime::pack_code(folder));
  v1::Code& code = *spec.mutable_code();
  code.set_sha256(store == nullptr ? sha256_hex(tar) : TRY(store->put(tar)));
  runtime::record_commit(fs::absolute(folder), code);
  return ok_status();
}

}  // namespace rekindle::cli
