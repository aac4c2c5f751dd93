// Runs a fuzz target over its seeds, over what fuzzing has found so far and over seeded mutations of both:
// what every build can afford. FUZZ_TARGET is its name.
#include <gtest/gtest.h>

#include "../models/mutate.h"
#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace rekindle {
namespace {

constexpr size_t kMutations = 5'000;

void replay(const std::string& bytes) {
  // A copy of exactly this size, so that reading past its end is seen by a sanitizer.
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    out.push_back(read_file(entry.path()).value());
  return out;
}

TEST(Fuzz, SeedsFindingsAndMutations) {
  std::vector<std::string> known = files_below("tests/fuzz/seeds/" FUZZ_TARGET);
  ASSERT_FALSE(known.empty()) << "not run in the source folder";
  for (std::string& found : files_below("tests/fuzz/findings/" FUZZ_TARGET))
    known.push_back(std::move(found));
  for (const std::string& bytes : known) replay(bytes);
  models::Random random(7);
  for (size_t i = 0; i < kMutations; ++i) replay(models::mutated(known[random.below(known.size())], random));
}

}  // namespace
}  // namespace rekindle
