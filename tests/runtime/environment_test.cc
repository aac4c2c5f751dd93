// Lock files, environments that are built once, and what a command becomes in each kind of environment.
#include "runtime/environment.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/process.h"
#include "runtime/capture.h"
#include "tests/runtime/folders.h"

namespace rekindle::runtime {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Lock, PinnedLinesAreTaken) {
  for (const char* line :
       {"", "# nothing", "numpy==2.3.5", "numpy == 2.3.5 # why", "scikit-learn[alldeps]==1.5",
        "x==1.0; python_version < '4'", "torch==2.11.0+cu130", "x==1!2.0",
        "x==1.0 --hash=sha256:aa --hash=sha256:bb", "x==1.0 \\\n  --hash=sha256:aa",
        "./wheels/mine-1.0-py3-none-any.whl", "a==1\nb==2\r\nc==3"})
    EXPECT_TRUE(check_lock(line, "l.txt").ok()) << line;
}

TEST(Lock, OthersAreRefusedByTheirLine) {
  for (const char* line : {"numpy",
                           "numpy>=2",
                           "numpy~=2.3",
                           "numpy==",
                           "numpy===2",
                           "numpy==2.*",
                           "numpy==2.3,<3",
                           "-r other.txt",
                           "-e .",
                           "--index-url https://x",
                           "--extra-index-url=x",
                           "x @ https://x/y.whl",
                           "https://x/y.whl",
                           "git+https://x",
                           "../up/x.whl",
                           "/abs/x.whl",
                           "./a/../../x.whl",
                           "x==1.0 --global-option=y",
                           "==1.0",
                           "$(id)==1.0",
                           "x==$(id)"}) {
    const Status status = check_lock(std::string("a==1\n\n") + line + "\n", "l.txt");
    EXPECT_THAT(status.message(), StartsWith("l.txt:3: '")) << line;
  }
}

TEST(Invocations, WordsAreNeverReadByAShell) {
  const std::vector<std::string> odd = {
      "/usr/bin/printf", "%s|", "$(id)", "a'b\"c", "two\nlines", "", "*", "-x", "; exit 9"};
  Environment host;
  host.described = "host";
  const Invocation plain = invocation(host, odd, {"PATH=/usr/bin:/bin", "A=$(id)"}, "/", {});
  EXPECT_EQ(plain.argv, odd);
  EXPECT_EQ(capture(plain.argv, plain.environment, "/").value().tail,
            "$(id)|a'b\"c|two\nlines||*|-x|; exit 9|");
}

using Environments = FolderTest;

TEST_F(Environments, ModulesAreLoadedByTheirProgram) {
  // What a module program answers to `bash load NAMES`.
  write("modulecmd",
        "#!/bin/sh\necho \"$@\" >>" + base_.string() +
            "/asked\n[ \"$3\" = none ] && echo 'test 0 = 1;' && exit\n"
            "echo \"export LOADED='$3 $4'; PATH=/from/module:$PATH\"\n",
        0755);
  ::setenv("MODULES_CMD", (code_ / "modulecmd").c_str(), 1);
  v1::Environment spec;
  spec.mutable_modules()->add_load("gcc/12");
  spec.mutable_modules()->add_load("cuda/13");
  const Environment environment = prepare_environment(spec, code_, base_ / "kept").value();
  EXPECT_EQ(environment.described, "modules gcc/12 cuda/13");
  const std::vector<std::string> command = {"/bin/sh", "-c",    "printf '%s|' \"$LOADED\" \"$PATH\" \"$@\"",
                                            "x",       "$(id)", "a b"};
  const Invocation made = invocation(environment, command, {"PATH=/usr/bin:/bin"}, code_, {});
  const Captured done = capture(made.argv, made.environment, code_).value();
  EXPECT_EQ(done.tail, "gcc/12 cuda/13|/from/module:/usr/bin:/bin|$(id)|a b|");
  EXPECT_EQ(read_file(base_ / "asked").value(), "bash load gcc/12 cuda/13\n");
  spec.mutable_modules()->set_load(0, "none");
  const Invocation bad = invocation(prepare_environment(spec, code_, base_ / "kept").value(), command,
                                    {"PATH=/usr/bin:/bin"}, code_, {});
  EXPECT_EQ(capture(bad.argv, bad.environment, code_).value().code, 78)
      << "a module that is not there is a refusal";
  ::unsetenv("MODULES_CMD");
}

TEST_F(Environments, WhatTheHostLacksIsSaid) {
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  v1::Environment spec;
  spec.set_container("image.sif");
  const Status container = prepare_environment(spec, code_, base_ / "kept").status();
  EXPECT_EQ(container.code(), Code::kFailedPrecondition);
  EXPECT_THAT(container.message(), HasSubstr("no apptainer in PATH"));
  ::setenv("PATH", before.c_str(), 1);
}

TEST_F(Environments, AContainerSeesTheFoldersItNeeds) {
  write("apptainer", "#!/bin/sh\nprintf '%s|' \"$@\"\n", 0755);
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", (code_.string() + ":" + before).c_str(), 1);
  v1::Environment spec;
  spec.set_container("/images/torch.sif");
  const Environment environment = prepare_environment(spec, code_, base_ / "kept").value();
  ::setenv("PATH", before.c_str(), 1);
  const Invocation made =
      invocation(environment, {"python", "train.py", "$(id)"}, {"PATH=/usr/bin:/bin"}, code_, {"/runs/x/1"});
  EXPECT_EQ(capture(made.argv, made.environment, code_).value().tail,
            "exec|--pwd|" + code_.string() + "|--bind|/runs/x/1|--bind|" + code_.string() +
                "|/images/torch.sif|python|train.py|$(id)|");
}

class Venvs : public FolderTest {
 protected:
  Result<Environment> prepare(const std::string& lock) {
    v1::Environment spec;
    spec.set_venv(lock);
    return prepare_environment(spec, code_, base_ / "kept", [this](std::string_view text) { said_ += text; });
  }
  std::string said_;
};

TEST_F(Venvs, AreBuiltOnceHoweverManyAsk) {
  write("lock.txt", "# nothing\n");
  std::vector<std::thread> threads;
  std::vector<std::string> folders(3), said(3);
  for (size_t i = 0; i < folders.size(); ++i)
    threads.emplace_back([this, i, &folders, &said] {
      v1::Environment spec;
      spec.set_venv("lock.txt");
      const auto made = prepare_environment(spec, code_, base_ / "kept",
                                            [&, i](std::string_view text) { said[i] += text; });
      EXPECT_TRUE(made.ok()) << made.status().to_string();
      if (made.ok()) folders[i] = made->venv.string();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(folders[0], folders[1]);
  EXPECT_EQ(folders[0], folders[2]);
  int builders = 0;
  for (const std::string& text : said) builders += text.find("building the environment") != std::string::npos;
  EXPECT_EQ(builders, 1);

  // The interpreter of the environment comes first, and a build that died is made anew.
  const Environment environment = prepare("lock.txt").value();
  EXPECT_EQ(said_, "") << "nothing is built again";
  const Invocation made = invocation(environment, {"python", "-c", "import sys; print(sys.prefix)"},
                                     bare_environment(), code_, {});
  EXPECT_EQ(capture(made.argv, made.environment, code_).value().tail, environment.venv.string() + "\n");
  fs::remove(environment.venv / "rekindle-built");
  ASSERT_TRUE(write_file_durably(environment.venv / "leftover", "x").ok());
  EXPECT_EQ(prepare("lock.txt").value().venv, environment.venv);
  EXPECT_FALSE(fs::exists(environment.venv / "leftover"));
}

TEST_F(Venvs, RefusalsSayWhatToDo) {
  EXPECT_THAT(prepare("none.txt").status().message(), HasSubstr("no lock file none.txt in the code folder"));
  write("loose.txt", "numpy\n");
  EXPECT_THAT(prepare("loose.txt").status().message(), HasSubstr("loose.txt:1: 'numpy' is not pinned"));
  write("wheel.txt", "./none-1.0-py3-none-any.whl\n");
  EXPECT_THAT(prepare("wheel.txt").status().message(), HasSubstr("wheel.txt:1: "));
  write("bad-1.0-py3-none-any.whl", "not a wheel");
  write("bad.txt", "./bad-1.0-py3-none-any.whl\n");
  const Status failed = prepare("bad.txt").status();
  EXPECT_EQ(failed.code(), Code::kFailedPrecondition);
  EXPECT_THAT(failed.message(), HasSubstr("pip install -r bad.txt failed with 1:\n"));
  EXPECT_THAT(failed.message(), HasSubstr("bad-1.0"));
  for (const auto& entry : fs::directory_iterator(base_ / "kept"))
    EXPECT_FALSE(entry.is_directory()) << "a failed build leaves nothing: " << entry.path();
}

}  // namespace
}  // namespace rekindle::runtime
