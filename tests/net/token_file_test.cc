#include "net/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/files.h"
#include "net/tokens.h"

namespace rekindle::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TokenFileTest : public ::testing::Test {
 protected:
  TokenFileTest() {
    char name[] = "/tmp/rekindle-tokens-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "tokens.json";
    file_.emplace(path_);
  }
  ~TokenFileTest() override { fs::remove_all(folder_); }

  Identity who(const std::string& secret) const {
    std::vector<Token> tokens;
    const auto kept = file_->read().value();
    for (const auto& named : kept) tokens.push_back(named.token);
    return identify(tokens, "Bearer " + secret);
  }

  fs::path folder_, path_;
  std::optional<TokenFile> file_;
};

TEST_F(TokenFileTest, GivesAndTakes) {
  EXPECT_TRUE(file_->read().value().empty());
  const std::string alice = file_->add("alice", Role::kSubmitter, 7).value();
  const std::string ci = file_->add("ci", Role::kViewer, 8).value();
  EXPECT_NE(alice, ci);
  EXPECT_EQ(who(alice).name, "alice");
  EXPECT_EQ(who(alice).role, Role::kSubmitter);
  EXPECT_EQ(who(ci).role, Role::kViewer);
  EXPECT_EQ(who(alice + "x").role, Role::kNobody);
  ASSERT_TRUE(file_->revoke("alice").ok());
  EXPECT_EQ(who(alice).role, Role::kNobody);
  EXPECT_EQ(who(ci).role, Role::kViewer);
  EXPECT_THAT(file_->revoke("alice").message(), HasSubstr("there are: ci"));
}

TEST_F(TokenFileTest, ATokenMayHaveAnEnd) {
  ASSERT_TRUE(file_->add("brief", Role::kViewer, 7, 1'000).ok());
  ASSERT_TRUE(file_->add("lasting", Role::kViewer, 7).ok());
  ASSERT_TRUE(file_->add("third", Role::kViewer, 7).ok());
  ASSERT_TRUE(file_->revoke("third").ok());
  const auto kept = file_->read().value();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].expires_us, 1'000) << "its end outlasts a change of the file";
  EXPECT_EQ(kept[1].expires_us, 0);
}

TEST_F(TokenFileTest, HoldsNoSecretAndIsPrivate) {
  const std::string secret = file_->add("alice", Role::kAdmin, 7).value();
  EXPECT_THAT(read_file(path_).value(), Not(HasSubstr(secret)));
  struct stat about {};
  ASSERT_EQ(::stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(TokenFileTest, RefusesNamesAndDoubles) {
  ASSERT_TRUE(file_->add("alice", Role::kViewer, 7).ok());
  EXPECT_EQ(file_->add("alice", Role::kAdmin, 7).status().code(), Code::kAlreadyExists);
  for (const char* bad : {"", "a b", "../x", "x\ny", "operator", "serving"})
    EXPECT_EQ(file_->add(bad, Role::kViewer, 7).status().code(), Code::kInvalidArgument) << bad;
  EXPECT_EQ(file_->read().value().size(), 1u);
}

TEST_F(TokenFileTest, ADamagedFileIsToldAndLeft) {
  for (const char* damaged : {"", "{", "[]", R"({"tokens": 1})", R"({"tokens": [{"name": "a"}]})",
                              R"({"tokens": [{"name": "a", "role": "root", "sha256": "00", "made_us": 1}]})",
                              R"({"tokens": [{"name": "a", "role": "viewer", "sha256": ")"
                              "0000000000000000000000000000000000000000000000000000000000000000"
                              R"(", "made_us": 1, "expires_us": "soon"}]})"}) {
    std::ofstream(path_, std::ios::trunc) << damaged;
    EXPECT_EQ(file_->read().status().code(), Code::kDataLoss) << damaged;
    EXPECT_FALSE(file_->add("b", Role::kViewer, 7).ok());
    EXPECT_EQ(read_file(path_).value(), damaged);
  }
}

TEST_F(TokenFileTest, ManyMayGiveAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back(
        [this, t] { EXPECT_TRUE(file_->add("t" + std::to_string(t), Role::kViewer, 7).ok()); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(file_->read().value().size(), 8u);
}

}  // namespace
}  // namespace rekindle::net
