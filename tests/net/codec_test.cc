#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "net/gzip.h"
#include "net/metrics.h"
#include "net/rpc/codec.h"
#include "net/tokens.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::net {
namespace {

TEST(Gzip, ReturnsWhatWentIn) {
  for (const std::string& text : {std::string(), std::string("a"), std::string(3'000'000, 'x')})
    EXPECT_EQ(gunzip(gzip(text), 4'000'000).value(), text);
}

TEST(Gzip, StopsAtTheLimit) {
  const std::string bomb = gzip(std::string(50'000'000, '\0'));
  EXPECT_LT(bomb.size(), 300'000u);
  EXPECT_EQ(gunzip(bomb, 1'000'000).status().code(), Code::kResourceExhausted);
}

TEST(Gzip, RefusesDamage) {
  std::string bytes = gzip("some text that is long enough to be compressed");
  EXPECT_FALSE(gunzip(bytes.substr(0, bytes.size() / 2), 1000).ok());
  bytes[12] ^= 0x55;
  EXPECT_FALSE(gunzip(bytes, 1000).ok());
  EXPECT_FALSE(gunzip("plain", 1000).ok());
}

TEST(Codec, ContentTypes) {
  EXPECT_EQ(codec_of("application/json; charset=utf-8", kUnaryPrefix), Codec::kJson);
  EXPECT_EQ(codec_of("application/proto", kUnaryPrefix), Codec::kProto);
  EXPECT_EQ(codec_of("application/connect+json", kStreamPrefix), Codec::kJson);
  EXPECT_EQ(codec_of("application/connect+json", kUnaryPrefix), std::nullopt);
  EXPECT_EQ(codec_of("text/json", kUnaryPrefix), std::nullopt);
  EXPECT_EQ(codec_of("", kUnaryPrefix), std::nullopt);
}

TEST(Codec, JsonTakesBothSpellingsAndPassesOverUnknownFields) {
  v1::StartRunRequest request;
  ASSERT_TRUE(
      decode(Codec::kJson, R"({"job":"a","noPublish":true,"as_of_us":"12","later":1})", &request).ok());
  EXPECT_EQ(request.job(), "a");
  EXPECT_TRUE(request.no_publish());
  EXPECT_EQ(request.as_of_us(), 12);
  EXPECT_EQ(encode(Codec::kJson, request).value(), R"({"job":"a","asOfUs":"12","noPublish":true})");
}

TEST(Codec, JsonRefusals) {
  v1::StartRunRequest request;
  for (const std::string& text :
       {std::string("{"), std::string(R"({"job":1.5e})"), std::string(R"({"asOfUs":1.5})"), std::string("[]"),
        std::string(100'000, '['), std::string("\x80")})
    EXPECT_FALSE(decode(Codec::kJson, text, &request).ok()) << text.substr(0, 20);
}

TEST(Codec, Envelopes) {
  const std::string bytes = envelope(kFlagEnd, std::string(300, 'x'));
  const EnvelopeHeader header = read_envelope_header(std::string_view(bytes).substr(0, 5));
  EXPECT_EQ(header.flags, kFlagEnd);
  EXPECT_EQ(header.length, 300u);
  EXPECT_EQ(bytes.size(), 305u);
}

TEST(Codec, ErrorsSurviveTheJourney) {
  const Status status = not_found("no job named 'x\"'");
  EXPECT_EQ(error_of(404, error_json(status)).to_string(), status.to_string());
  EXPECT_EQ(error_of(404, Response::error(status).body).to_string(), status.to_string());
  EXPECT_EQ(end_of_stream_status(end_of_stream_json(status)).to_string(), status.to_string());
  EXPECT_TRUE(end_of_stream_status(end_of_stream_json(ok_status())).ok());
  EXPECT_EQ(error_of(503, "<html>").code(), Code::kUnavailable);
  EXPECT_EQ(error_of(404, "").code(), Code::kUnimplemented);
}

TEST(Codec, Timeouts) {
  Headers headers;
  EXPECT_EQ(timeout_of(headers).value(), std::nullopt);
  headers.set("connect-timeout-ms", "250");
  EXPECT_EQ(timeout_of(headers).value(), std::chrono::milliseconds(250));
  for (const char* bad : {"-1", "12345678901", "1s", "0x5"}) {
    headers.set("connect-timeout-ms", bad);
    EXPECT_FALSE(timeout_of(headers).ok()) << bad;
  }
}

TEST(Tokens, EachRouteNeedsItsRole) {
  const std::vector<Token> tokens = {token_of("op", Role::kOperator, "o"),
                                     token_of("sv", Role::kServing, "s"),
                                     token_of("", Role::kOperator, "empty"),
                                     {"", Role::kAdmin, "no hash"}};
  EXPECT_EQ(identify(tokens, "Bearer op").role, Role::kOperator);
  EXPECT_EQ(identify(tokens, "Bearer sv").role, Role::kServing);
  for (const char* bad : {"", "Bearer ", "Bearer", "Bearer opp", "Bearer o", "op", "Basic op", "bearer op"})
    EXPECT_EQ(identify(tokens, bad).role, Role::kNobody) << bad;
  EXPECT_TRUE(allows(Access::kOpen, Role::kNobody));
  EXPECT_FALSE(allows(Access::kServing, Role::kNobody));
  EXPECT_TRUE(allows(Access::kServing, Role::kServing));
  EXPECT_TRUE(allows(Access::kServing, Role::kOperator));
  EXPECT_FALSE(allows(Access::kOperator, Role::kServing));
  constexpr Role kLadder[] = {Role::kViewer, Role::kSubmitter, Role::kOperator, Role::kAdmin};
  constexpr Access kRungs[] = {Access::kViewer, Access::kSubmitter, Access::kOperator, Access::kAdmin};
  for (size_t role = 0; role < 4; ++role)
    for (size_t rung = 0; rung < 4; ++rung)
      EXPECT_EQ(allows(kRungs[rung], kLadder[role]), role >= rung) << role << " at " << rung;
  for (const Access rung : kRungs) EXPECT_FALSE(allows(rung, Role::kServing));
  EXPECT_FALSE(allows(Access::kServing, Role::kSubmitter))
      << "who trains does not answer for what was served";
  for (const Role role : kLadder) EXPECT_EQ(role_of_word(role_word(role)), role);
  EXPECT_EQ(role_of_word("root"), std::nullopt);
}

TEST(Tokens, FileIsMadeOnceAndPrivate) {
  std::string folder = (std::filesystem::temp_directory_path() / "rekindle-net-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::filesystem::path path = std::filesystem::path(folder) / "token";
  EXPECT_EQ(load_token(path).status().code(), Code::kNotFound);
  const std::string token = load_or_create_token(path).value();
  EXPECT_EQ(token.size(), 64u);
  EXPECT_EQ(load_or_create_token(path).value(), token);
  EXPECT_EQ(load_token(path).value(), token);
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::remove_all(folder);
}

TEST(Metrics, TextForm) {
  prometheus::Registry registry;
  prometheus::BuildCounter()
      .Name("rekindle_things")
      .Help("Things")
      .Register(registry)
      .Add({{"model", "a"}})
      .Increment(3);
  EXPECT_THAT(metrics_text(registry), testing::HasSubstr("rekindle_things{model=\"a\"} 3"));
}

}  // namespace
}  // namespace rekindle::net
