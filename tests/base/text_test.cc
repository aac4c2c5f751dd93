#include "base/text/printable.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>

#include "base/files.h"
#include "base/log.h"

namespace rekindle {
namespace {

using ::testing::HasSubstr;

TEST(Printable, LeavesWhatCanBeReadAlone) {
  for (const char* text : {"", "late-3", "Zürich → Bern", "a \"b\" \\ c", "\xf0\x9f\x9a\x82"}) {
    EXPECT_EQ(printable(text), text);
    EXPECT_TRUE(is_printable(text)) << text;
  }
}

TEST(Printable, EscapesWhatForgesLinesOrSteersTerminals) {
  struct Case {
    const char* text;
    const char* shown;
  };
  for (const Case& one :
       {Case{"a\nb", "a\\u000ab"}, Case{"a\r\n", "a\\u000d\\u000a"}, Case{"\x1b[31m", "\\u001b[31m"},
        Case{"\x7f", "\\u007f"},
        Case{"\xc2\x9b"
             "2J",
             "\\u009b2J"},
        Case{"a\xe2\x80\xa8"
             "b",
             "a\\u2028b"},
        Case{"\xe2\x80\xae", "\\u202e"}, Case{"\xff", "\\ufffd"}, Case{"\x9b", "\\ufffd"},
        Case{"\xc0\xaf", "\\ufffd\\ufffd"}, Case{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
        Case{"\xe2\x80", "\\ufffd\\ufffd"}, Case{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}}) {
    EXPECT_EQ(printable(one.text), one.shown);
    EXPECT_FALSE(is_printable(one.text));
  }
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\u0000b");
}

// What one call of log() writes.
std::string logged(bool json, std::string_view message, const std::string& value) {
  std::string name = "/tmp/rekindle-log-XXXXXX";
  const Fd file(::mkstemp(name.data())), kept(::dup(STDERR_FILENO));
  ::dup2(file.get(), STDERR_FILENO);
  start_logging("test", LogLevel::kInfo, json);
  log_info(message, {{"value", value}});
  ::dup2(kept.get(), STDERR_FILENO);
  start_logging("test", LogLevel::kInfo, false);
  const std::string out = read_file(name).value();
  fs::remove(name);
  return out;
}

TEST(Log, ARecordIsOneLineWhateverIsInIt) {
  const std::string forged = "x\n2026-01-01T00:00:00Z error rekindled: \"all is lost\"\x1b[2J\xc2\x9b\xff\\";
  for (const bool json : {false, true}) {
    const std::string line = logged(json, "taken\nfrom outside", forged);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    for (const char* raw : {"\x1b", "\xc2\x9b", "\xff"}) EXPECT_EQ(line.find(raw), std::string::npos) << line;
    EXPECT_THAT(line, HasSubstr(R"("x\u000a2026-01-01T00:00:00Z error rekindled: \"all is lost\"\u001b[2J)"));
    EXPECT_THAT(line, HasSubstr(R"(taken\u000afrom outside)"));
    EXPECT_THAT(line, HasSubstr(R"(\u009b\ufffd\\")"));
  }
}

}  // namespace
}  // namespace rekindle
