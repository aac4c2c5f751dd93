#include "models/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace rekindle::models {
namespace {

using ::testing::HasSubstr;

std::string_view view(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string file(std::string header, std::string data = "") {
  uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {7};
  auto bytes =
      write_safetensors({{"b", "F32", {1}, view(b)}, {"a", "F32", {2, 3}, view(a)}, {"e", "F32", {0, 4}, {}}},
                        {{"format", "rekindle"}});
  auto parsed = parse_safetensors(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->tensors.size(), 3u);
  EXPECT_EQ(parsed->floats("a", {2, 3}).value(), a);
  EXPECT_EQ(parsed->floats("b", {1}).value(), b);
  EXPECT_TRUE(parsed->floats("e", {0, 4}).value().empty());
  EXPECT_EQ(parsed->metadata.at("format"), "rekindle");
  EXPECT_EQ((parsed->tensors.at("a").bytes.data() - bytes.data()) % 64, 0) << "data begins on a cache line";
}

TEST(Safetensors, NamesAndShapesAreChecked) {
  std::vector<float> a = {1, 2};
  auto bytes = write_safetensors({{"a", "F32", {2}, view(a)}});
  auto parsed = parse_safetensors(bytes).value();
  EXPECT_EQ(parsed.floats("z", {2}).status().code(), Code::kDataLoss);
  EXPECT_EQ(parsed.floats("a", {1, 2}).status().code(), Code::kDataLoss);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  std::vector<float> a = {1, 2, 3};
  auto bytes = write_safetensors({{"a", "F32", {3}, view(a)}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_safetensors(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(parse_safetensors(bytes + "x").ok());
}

struct Malformed {
  const char* header;
  size_t data_bytes;
  const char* says;
};

class MalformedFile : public ::testing::TestWithParam<Malformed> {};

TEST_P(MalformedFile, IsRefused) {
  auto parsed = parse_safetensors(file(GetParam().header, std::string(GetParam().data_bytes, '\0')));
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), Code::kDataLoss);
  EXPECT_THAT(parsed.status().message(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table, MalformedFile,
    ::testing::Values(
        Malformed{"", 0, "does not begin with"}, Malformed{" {}", 0, "does not begin with"},
        Malformed{"[1]", 0, "does not begin with"}, Malformed{"{", 0, "JSON"},
        Malformed{"{} {}", 0, "follows"}, Malformed{"{}", 4, "belong to no tensor"},
        Malformed{
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            4, "comes twice"},
        Malformed{R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
                  "comes twice"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
        Malformed{R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "lacks"},
        Malformed{R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "lacks"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":"x"}})", 4, "unknown key"},
        Malformed{R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype"},
        Malformed{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "do not fit its shape"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "outside"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "gap"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "gap"},
        Malformed{
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
            6, "overlap"},
        Malformed{R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "fraction"},
        Malformed{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,16],"data_offsets":[0,4]}})", 4,
                  "impossible"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", 4,
                  "out of range"},
        Malformed{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 8, "more than two"},
        Malformed{R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "array where none"},
        Malformed{R"({"a":{"dtype":"F32","shape":{"x":"y"},"data_offsets":[0,4]}})", 4, "object inside"},
        Malformed{R"({"a":null})", 0, "null"}, Malformed{R"({"a":1})", 0, "number where none"},
        Malformed{R"({"__metadata__":{"a":1}})", 0, "number where none"}));

TEST(Safetensors, AHugeHeaderIsRefusedBeforeItIsRead) {
  uint64_t length = kSafetensorsHeaderBytesMax + 1;
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  auto parsed = parse_safetensors(bytes);
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(parsed.status().message(), HasSubstr("header of"));
}

// Written by the Python package (tests/models/golden/make_safetensors.py).
TEST(Safetensors, ReadsWhatThePythonPackageWrites) {
  std::string bytes;
  FILE* in = std::fopen("tests/models/golden/python.safetensors", "rb");
  ASSERT_NE(in, nullptr);
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), in)) > 0;) bytes.append(buffer, n);
  std::fclose(in);
  auto parsed = parse_safetensors(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->floats("layer0.weight", {2, 3}).value(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(parsed->tensors.at("steps").dtype, "I64");
  EXPECT_EQ(parsed->metadata.at("origin"), "python");
}

}  // namespace
}  // namespace rekindle::models
