// A rank's report log, as a rank gone wild may leave it: what is whole and sound is read, in one go as in
// many, damage is told, and nothing is read past the end. The first byte says whether the rest is the file,
// or payloads that are framed here (else no change would get past the checksum). `./dev fuzz reports`.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "base/hash.h"
#include "launch/report_log.h"

namespace {

using namespace rekindle;          // NOLINT: a fuzz target
using namespace rekindle::launch;  // NOLINT

void must(bool condition) {
  if (!condition) std::abort();
}

// One file, in memory, for the life of the process.
const AttemptFolder& folder() {
  static const AttemptFolder made = [] {
    std::string name = "/dev/shm/rekindle-fuzz-XXXXXX";
    must(::mkdtemp(name.data()) != nullptr);
    std::atexit([] { fs::remove_all(folder().root()); });
    return AttemptFolder(name);
  }();
  return made;
}

void put(const std::string& bytes) {
  static const Fd fd(::open(folder().report(0).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  must(fd.valid() && ::ftruncate(fd.get(), 0) == 0);
  must(::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
}

std::string framed(std::string_view payload) {
  std::string out;
  for (const auto& [value, bytes] :
       {std::pair<uint64_t, int>(payload.size(), 4), {stable_hash(payload, payload.size()), 8}})
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out.append(payload);
}

// Payloads of up to 255 bytes, each behind its length.
std::string framed_all(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t length = std::min<size_t>(static_cast<unsigned char>(bytes[0]), bytes.size() - 1);
    out += framed(bytes.substr(1, length));
    bytes.remove_prefix(1 + length);
  }
  return out;
}

struct Read {
  std::vector<v1::Report> reports;
  bool damaged = false;
  uint64_t offset = 0;
};

Read read_all(size_t at_once) {
  Read out;
  ReportReader reader(folder(), 0);
  for (;;) {
    auto more = reader.read_new(at_once);
    if (!more.ok()) {
      must(more.status().code() == Code::kDataLoss);
      out.damaged = true;
      break;
    }
    if (more->empty()) break;
    for (v1::Report& report : *more) out.reports.push_back(std::move(report));
  }
  out.offset = reader.offset();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string file = data[0] % 2 == 0 ? std::string(rest) : framed_all(rest);
  put(file);
  const Read whole = read_all(10'000), stepwise = read_all(1);
  must(whole.offset <= file.size() && whole.offset == stepwise.offset && whole.damaged == stepwise.damaged);
  must(whole.reports.size() == stepwise.reports.size());
  return 0;
}
