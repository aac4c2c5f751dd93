// What the safetensors reader accepts is whole: every tensor lies within the file and fits its shape, and
// written again it is read again as the same. Built with libFuzzer by `./dev fuzz safetensors`, and with a
// plain main that replays files (replay_test.cc).
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "models/safetensors.h"

namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

bool same(const rekindle::models::Safetensors& a, const rekindle::models::Safetensors& b) {
  if (a.metadata != b.metadata || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, left] : a.tensors) {
    const auto found = b.tensors.find(name);
    if (found == b.tensors.end()) return false;
    const auto& right = found->second;
    if (left.dtype != right.dtype || left.shape != right.shape || left.bytes != right.bytes) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rekindle::models;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto parsed = parse_safetensors(bytes);
  if (!parsed.ok()) {
    must(!parsed.status().message().empty());
    return 0;
  }
  std::vector<NamedTensor> tensors;
  uint64_t covered = 0;
  for (const auto& [name, tensor] : parsed->tensors) {
    must(name == tensor.name && !name.empty());
    covered += tensor.bytes.size();
    if (!tensor.bytes.empty()) {
      must(tensor.bytes.data() >= bytes.data() && tensor.bytes.end() <= bytes.end());
    }
    tensors.push_back(tensor);
  }
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  must(8 + header + covered == size);  // each byte of the data belongs to one tensor
  const std::string again = write_safetensors(tensors, parsed->metadata);
  if (again.size() < kSafetensorsHeaderBytesMax) {
    auto second = parse_safetensors(again);
    must(second.ok() && same(*parsed, *second));
  }
  return 0;
}
