// Every file of the table gets the answer that it should get, and no other one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <set>

#include "hostile_files.h"
#include "models/safetensors.h"

namespace rekindle::models {

void PrintTo(const HostileFile& file, std::ostream* out) {
  *out << file.name;
}

namespace {

using ::testing::HasSubstr;

class Hostile : public ::testing::TestWithParam<HostileFile> {};
INSTANTIATE_TEST_SUITE_P(Files, Hostile, ::testing::ValuesIn(hostile_files()), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST_P(Hostile, GetsItsAnswer) {
  const auto& file = GetParam();
  auto parsed = parse_safetensors(file.bytes);
  ASSERT_EQ(parsed.ok(), file.says.empty()) << parsed.status().message();
  if (!parsed.ok()) {
    EXPECT_EQ(parsed.status().code(), Code::kDataLoss);
    EXPECT_THAT(parsed.status().message(), HasSubstr(file.says));
    EXPECT_LT(parsed.status().message().size(), 1000u) << "what a stranger wrote is not echoed at length";
  } else {
    size_t bytes = 0;
    for (const auto& [name, tensor] : parsed->tensors) bytes += tensor.bytes.size();
    EXPECT_LE(bytes, file.bytes.size());
  }
}

TEST_P(Hostile, NoPartOfItIsAccepted) {
  const auto& file = GetParam();
  if (!file.says.empty()) return;
  for (size_t size = 0; size < file.bytes.size(); ++size) {
    EXPECT_FALSE(parse_safetensors(std::string_view(file.bytes).substr(0, size)).ok()) << size;
  }
}

TEST(HostileFiles, RefusalsDiffer) {
  std::set<std::string> kinds;
  for (const auto& file : hostile_files()) kinds.insert(file.says);
  EXPECT_GE(kinds.size(), 40u) << "a refusal that fits everything says nothing";
}

TEST(HostileFiles, AMillionTensorsAreRefusedByTheirHeadersLength) {
  auto parsed = parse_safetensors(many_tensors(1'000'000));
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.status().message(), HasSubstr("a header of"));
}

TEST(HostileFiles, AsManyTensorsAsTheHeaderHoldsAreReadAtOnce) {
  const std::string bytes = many_tensors(125'000);
  ASSERT_LT(bytes.size(), kSafetensorsHeaderBytesMax);
  ASSERT_GT(bytes.size(), kSafetensorsHeaderBytesMax * 8 / 10);
  const auto begun = std::chrono::steady_clock::now();
  const size_t before = mallinfo2().uordblks;
  auto parsed = parse_safetensors(bytes);
  const size_t kept = mallinfo2().uordblks - before;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->tensors.size(), 125'000u);
  EXPECT_LT(kept, 256u << 20);
  EXPECT_LT(seconds, 60) << "of an order that does not end";
  std::printf("125,000 tensors: %.2f s, %zu MB kept\n", seconds, kept >> 20);
}

}  // namespace
}  // namespace rekindle::models
