// The program as a script sees it: words on the right stream, exit codes as documented.
#include <gmock/gmock.h>

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/files.h"

namespace rekindle::cli {
namespace {

using ::testing::HasSubstr;

struct Done {
  int code = -1;
  std::string out;  // both streams
};

Done run(const std::string& arguments) {
  const std::string command = "env -u REKINDLE_SERVER REKINDLE_STATE=/nonexistent/rekindle " +
                              std::string(std::getenv("REKINDLE_BIN")) + "/rekindle " + arguments + " 2>&1";
  Done done;
  std::FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) done.out.append(buffer.data(), n);
  done.code = WEXITSTATUS(pclose(pipe));
  return done;
}

TEST(Program, ExitCodes) {
  EXPECT_EQ(run("validate jobs/specs/flight-delay.yaml").code, 0);
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("validate").code, 2);
  EXPECT_EQ(run("validate /nonexistent.yaml").code, 3);
  EXPECT_EQ(run("explain train.bacth").code, 3);
  EXPECT_EQ(run("status").code, 5);
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_EQ(run("score --help").code, 0);
}

TEST(Program, WithoutACoordinatorItSaysWhatToDo) {
  for (const char* verb : {"status", "doctor", "list", "get x", "run x", "wait x", "cancel x", "versions m",
                           "why m", "drift m", "serving", "logs x", "dataset list", "quarantine list",
                           "rollback m --reason r", "freeze m --reason r", "alias m champion 1"}) {
    const Done done = run(verb);
    EXPECT_EQ(done.code, 5) << verb << ": " << done.out;
    EXPECT_THAT(done.out, HasSubstr("start one with `rekindle up`")) << verb;
  }
}

TEST(Program, AMistypedVerbGetsAHint) {
  const Done done = run("aply x.yaml");
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.out, HasSubstr("unknown verb 'aply'; did you mean 'apply'?"));
}

TEST(Program, ARefusedSpecNamesThePlace) {
  const fs::path file = fs::path(::testing::TempDir()) / "rekindle-cli-bad.yaml";
  ASSERT_TRUE(write_file_durably(file, "rekindle: 1\nnmae: x\n").ok());
  const Done done = run("validate " + file.string());
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.out, HasSubstr("rekindle-cli-bad.yaml:2:1: unknown key 'nmae'; did you mean 'name'?"));
  const Done json = run("validate --json " + file.string() + " jobs/imports/flights.yaml");
  const auto files = boost::json::parse(json.out).at("files").as_array();
  EXPECT_EQ(json.code, 2);
  EXPECT_FALSE(files[0].at("ok").as_bool());
  EXPECT_TRUE(files[1].at("ok").as_bool());
  EXPECT_EQ(files[1].at("kind").as_string(), "import");
  fs::remove(file);
}

TEST(Program, InitWritesSpecsThatValidateAccepts) {
  const fs::path folder = fs::path(::testing::TempDir()) / "rekindle-cli-init";
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::string csv = "ordered,km,way,late\n";
  for (int i = 0; i < 400; ++i)
    csv += "2020-01-" + std::to_string(10 + i / 20) + "T05:00:00Z," + std::to_string(i * 7 % 90) +
           (i % 3 ? ",sea," : ",road,") + (i * 5 % 7 < 3 ? "true" : "false") + "\n";
  ASSERT_TRUE(write_file_durably(folder / "orders.csv", csv).ok());
  const std::string init =
      "init " + (folder / "orders.csv").string() + " --time ordered --out " + folder.string();
  const Done done = run(init + " --label late");
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_THAT(done.out, HasSubstr("rekindle dataset import"));
  EXPECT_EQ(
      run("validate " + (folder / "orders.yaml").string() + " " + (folder / "orders.import.yaml").string())
          .code,
      0);
  const Done again = run(init + " --label late");
  EXPECT_EQ(again.code, 4);
  EXPECT_THAT(again.out, HasSubstr("exists and is left as it is"));
  const Done json = run(init + " --label late --name other --json");
  EXPECT_EQ(boost::json::parse(json.out).at("columns").as_array().size(), 4u);
  EXPECT_EQ(run(init + " --label lat").code, 3);
  fs::remove_all(folder);
}

TEST(Program, PlanWorksWithoutACoordinator) {
  const Done done = run("plan --resolved jobs/specs/flight-delay.yaml");
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.out, HasSubstr("train.limits.hang_warm"));
  EXPECT_THAT(done.out, HasSubstr("default: steps take milliseconds once warm"));
  EXPECT_THAT(done.out, HasSubstr("placement   unknown: no coordinator"));
  const auto json = boost::json::parse(run("plan --json jobs/specs/flight-delay.yaml").out);
  EXPECT_EQ(json.at("spec").at("name").as_string(), "flight-delay");
  EXPECT_TRUE(json.at("placement").is_null());
}

TEST(Program, NoColourOffATerminal) {
  EXPECT_THAT(run("plan --resolved jobs/specs/flight-delay.yaml").out, ::testing::Not(HasSubstr("\033[")));
}

TEST(Program, CompletionIsAShellScript) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Done done = run(std::string("completion ") + shell);
    EXPECT_EQ(done.code, 0);
    for (const char* word : {"quarantine", "train.batch", "--as-of", "wait"}) {
      const std::string expected =
          std::string(shell) == "fish" && word[0] == '-' ? std::string(word).substr(2) : word;
      EXPECT_THAT(done.out, HasSubstr(expected)) << shell;
    }
  }
  EXPECT_EQ(run("completion bash | bash -n; echo $?").out, "0\n");
  EXPECT_EQ(run("completion tcsh").code, 2);
}

TEST(Program, EveryVerbExplainsItself) {
  for (const char* verb : {"up",     "down",       "status",  "doctor",   "apply",   "validate", "plan",
                           "run",    "approve",    "cancel",  "get",      "list",    "describe", "wait",
                           "logs",   "versions",   "alias",   "rollback", "score",   "serving",  "why",
                           "freeze", "quarantine", "dataset", "replay",   "why-not", "top"})
    EXPECT_EQ(run(std::string(verb) + " --help").code, 0) << verb;
}

TEST(Program, TheDocumentNamesEveryVerb) {
  const std::string text = read_file("docs/cli.md").value();
  const std::string help = run("--help").out;
  std::istringstream lines(help.substr(help.find("Subcommands:")));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line.starts_with("  ")) {
    const std::string verb = line.substr(2, line.find(' ', 2) - 2);
    EXPECT_THAT(text, HasSubstr("`" + verb)) << "docs/cli.md does not speak of " << verb;
  }
}

}  // namespace
}  // namespace rekindle::cli
