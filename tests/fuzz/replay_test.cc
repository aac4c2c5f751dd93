// Runs the fuzz target over the table of hostile files, over what fuzzing has found so far
// (tests/fuzz/findings) and over seeded mutations of both: what every build can afford.
#include <gtest/gtest.h>

#include "../models/hostile_files.h"
#include "../models/mutate.h"
#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace rekindle::models {
namespace {

void replay(const std::string& bytes) {
  // A copy of exactly this size, so that reading past its end is seen by a sanitizer.
  std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

TEST(FuzzSafetensors, HostileFilesAndFindings) {
  for (const auto& file : hostile_files()) replay(file.bytes);
  size_t found = 0;
  if (fs::exists("tests/fuzz/findings/safetensors")) {
    for (const auto& entry : fs::directory_iterator("tests/fuzz/findings/safetensors")) {
      replay(read_file(entry.path()).value());
      ++found;
    }
  }
  std::printf("%zu hostile files, %zu findings\n", hostile_files().size(), found);
}

TEST(FuzzSafetensors, Mutations) {
  Random random(7);
  const auto& table = hostile_files();
  const size_t count = 200'000;
  for (size_t i = 0; i < count; ++i) {
    const auto& file = table[random.below(table.size())];
    if (file.bytes.size() < 100'000) replay(mutated(file.bytes, random));
  }
  std::printf("%zu mutations\n", count);
}

}  // namespace
}  // namespace rekindle::models
