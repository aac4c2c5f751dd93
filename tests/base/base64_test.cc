#include "base/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rekindle {
namespace {

// RFC 4648, section 10.
TEST(Base64, TestVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text).value(), bytes);
  }
}

TEST(Base64, EveryByteGoesRound) {
  std::string bytes;
  for (int i = 0; i < 259; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes);
    bytes += static_cast<char>(i);
  }
}

TEST(Base64, NonsenseIsRefused) {
  for (const char* text : {"Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm9\n", "Zm-_", "Zh==", "Zm9="})
    EXPECT_EQ(base64_decode(text).status().code(), Code::kInvalidArgument) << text;
}

}  // namespace
}  // namespace rekindle
