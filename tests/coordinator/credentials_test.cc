// Credentials as they are kept, told and taken away.
#include <fmt/format.h>

#include "coordinator/credentials.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string token(const std::string& user, int64_t expires_s, const std::string& salt = "c2ln") {
  std::string claims = base64_encode(fmt::format(R"({{"exp":{},"sun":"{}"}})", expires_s, user));
  while (claims.ends_with('=')) claims.pop_back();
  return "e30." + claims + "." + salt;
}

class CredentialsTest : public testing::Test {
 protected:
  static constexpr int64_t kNowS = 1'800'000'000;
  Time now_ = time_from_micros(kNowS * 1'000'000);
  TempFolder folder_;
  fs::path file_ = folder_.path() / "credentials.pb";
  Credentials credentials_{file_};
};

TEST_F(CredentialsTest, AreKeptForTheirOwnerAndToldWithoutTheirTokens) {
  EXPECT_TRUE(credentials_.list()->empty());
  ASSERT_TRUE(credentials_.set("gpu", "bert", token("daemon", kNowS + 3600), now_).ok());
  const auto kept = credentials_.set("gpu", "anna", "SLURM_JWT=" + token("daemon", kNowS + 60) + "\n", now_);
  ASSERT_TRUE(kept.ok()) << kept.status().message();
  EXPECT_EQ(kept->user(), "daemon");
  EXPECT_EQ(kept->expires_us(), (kNowS + 60) * 1'000'000);
  struct stat info {};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto all = credentials_.list().value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].owner(), "anna");
  EXPECT_THAT(all[0].ShortDebugString(), Not(HasSubstr(token("daemon", kNowS + 60))));
  const auto identity = credentials_.identity("gpu", "anna", now_);
  ASSERT_TRUE(identity.ok()) << identity.status().message();
  EXPECT_EQ(identity->token, token("daemon", kNowS + 60));
  EXPECT_EQ(identity->user, "daemon");
  EXPECT_NE(identity->uid, 0u);
  // Another process, after a restart; and a newer one in its place.
  EXPECT_EQ(Credentials(file_).list()->size(), 2u);
  ASSERT_TRUE(credentials_.set("gpu", "anna", token("daemon", kNowS + 999), now_).ok());
  EXPECT_EQ(credentials_.list()->size(), 2u);
  EXPECT_EQ(credentials_.identity("gpu", "anna", now_)->token, token("daemon", kNowS + 999));
}

TEST_F(CredentialsTest, ExpiredMissingAndRevokedOnesSayWhatToDo) {
  const auto why = [this](const std::string& owner, Time now) {
    const Status status = credentials_.identity("gpu", owner, now).status();
    EXPECT_EQ(status.code(), Code::kFailedPrecondition);
    return status.message();
  };
  EXPECT_EQ(why("anna", now_),
            "'anna' has stored no credential for pool gpu: `rekindle credential set --pool gpu`");
  ASSERT_TRUE(credentials_.set("gpu", "anna", token("daemon", kNowS + 60), now_).ok());
  EXPECT_THAT(why("anna", now_ + Seconds(60)), HasSubstr("expired at"));
  EXPECT_THAT(why("bert", now_), HasSubstr("'bert' has stored no")) << "nobody acts by another's";
  EXPECT_EQ(credentials_.identity("other", "anna", now_).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(credentials_.set("gpu", "anna", token("daemon", kNowS + 5), now_).status().code(),
            Code::kInvalidArgument)
      << "it is over before anything is submitted by it";
  EXPECT_EQ(credentials_.revoke("gpu", "bert").status().code(), Code::kNotFound);
  EXPECT_EQ(credentials_.revoke("gpu", "anna")->owner(), "anna");
  EXPECT_THAT(why("anna", now_), HasSubstr("has stored no credential"));
}

TEST_F(CredentialsTest, ADamagedFileIsNoCredential) {
  ASSERT_TRUE(write_file_durably(file_, "\xff\xff\xff not a message", 0600).ok());
  EXPECT_EQ(credentials_.list().status().code(), Code::kDataLoss);
  EXPECT_EQ(credentials_.identity("gpu", "anna", now_).status().code(), Code::kDataLoss);
  EXPECT_EQ(credentials_.set("gpu", "anna", token("daemon", kNowS + 60), now_).status().code(),
            Code::kDataLoss);
}

}  // namespace
}  // namespace rekindle::coordinator
