// What stands around an attempt, with real processes that try to get past it. Parts that this host does not
// offer are skipped, and the skip says so.
#include "launch/confine/confinement.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "jobs/pools/pools.h"
#include "launch/confine/groups.h"
#include "launch/confine/reach.h"
#include "launch/gang/log_cap.h"
#include "tests/launch/command_fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;
using testing::Not;

// A state folder does not lie in /tmp, which is an attempt's own.
const bool elsewhere = ::setenv("TMPDIR", "/var/tmp", 1) == 0;

class Confined : public Command {
 protected:
  void SetUp() override {
    host_ = confinable();
    fs::create_directories(base_ / "state");
    fs::create_directories(base_ / "runs/other/1");
    for (const char* name : {"state/token", "state/journal.db", "runs/other/1/plan.pb", "elsewhere"})
      EXPECT_TRUE(write_file_durably(base_ / name, "SECRET").ok());
    launcher_ = make(fs::path());
  }
  // With a pool that says this of `confine`.
  std::unique_ptr<Launcher> make(const fs::path& read, uint32_t processes = 0, bool all_files = false,
                                 bool warm = false) {
    auto out = make_local_launcher({.gang_program = bin_folder() / "rekindle-gang",
                                    .trainer_program = test_rank(),
                                    .warm = warm,
                                    .stop_grace = std::chrono::milliseconds(300),
                                    .hidden = {base_ / "state", base_ / "runs"}});
    v1::PoolsFile pools = jobs::default_pools();
    v1::Confine& confine = *pools.mutable_pools(0)->mutable_local()->mutable_confine();
    if (!read.empty()) confine.add_read(read.string());
    if (processes > 0) confine.set_processes(processes);
    if (all_files) confine.set_files(v1::Confine::ALL);
    out->use(pools);
    return out;
  }
  // What the script wrote, or why it did not.
  std::string said_by(const std::string& python, uint32_t world = 1, uint32_t gpus = 0) {
    v1::Plan what = plan({"/usr/bin/python3", "-c", python, base_.string()}, world);
    what.set_gpus_per_rank(gpus);
    const AttemptFolder folder = started(std::move(what));
    EXPECT_EQ(ended(folder).code(), 0) << log(folder);
    return outcome(folder).message();
  }
  static v1::Confinement record(const AttemptFolder& folder) {
    const auto read = read_confinement(folder);
    EXPECT_TRUE(read.has_value());
    return read.value_or(v1::Confinement());
  }
  static void expect_no_groups(const AttemptFolder& folder) {
    const v1::Confinement confined = record(folder);
    for (const std::string& group : {confined.memory_group(), confined.pids_group()})
      EXPECT_TRUE(group.empty() || !fs::exists(group)) << group;
  }
  v1::Plan with_memory(v1::Plan plan, uint64_t bytes) const {
    plan.mutable_spec()->mutable_train()->mutable_ranks()->set_memory(bytes);
    return plan;
  }
  // One that must end as it would without the others.
  AttemptFolder bystander() {
    return started(shell("echo running; sleep 2; echo fine >\"$REKINDLE_OUT/f\""));
  }
  void expect_well(const AttemptFolder& folder) {
    EXPECT_EQ(ended(folder).code(), 0) << log(folder);
    EXPECT_EQ(outcome(folder).message(), "f=fine\n;");
  }

  Confinable host_;
};

constexpr const char* kTries = R"(
import os, sys
base, out = sys.argv[1], open(os.environ["REKINDLE_OUT"] + "/tries", "w")
def attempt(name, what):
    try:
        print(name, "done", what(), file=out)
    except OSError as error:
        print(name, "refused", error.errno, file=out)
def read(path):
    with open(path) as file:
        return file.read(1) and "read"
def write(path):
    with open(path, "a") as file:
        return file.write("x")
attempt_folder = os.path.dirname(os.path.dirname(os.environ["REKINDLE_OUT"]))
for name, path in {"token": f"{base}/state/token", "journal": f"{base}/state/journal.db",
                   "other-run": f"{base}/runs/other/1/plan.pb", "elsewhere": f"{base}/elsewhere",
                   "shadow": "/etc/shadow", "plan": f"{attempt_folder}/plan.pb", "memory-of-gang": f"/proc/{os.getppid()}/environ",
                   "root-of-gang": f"/proc/{os.getppid()}/root{base}/elsewhere"}.items():
    attempt("read-" + name, lambda: read(path))
for name, path in {"token": f"{base}/state/token", "elsewhere": f"{base}/elsewhere", "new": f"{base}/new",
                   "outcome": f"{attempt_folder}/outcome.pb", "report": f"{attempt_folder}/report-0.log",
                   "code": os.getcwd() + "/new", "group": "/sys/fs/cgroup/new", "etc": "/etc/rekindle-test",
                   "blob": f"{base}/artifacts/blobs/new"}.items():
    attempt("write-" + name, lambda: write(path))
attempt("list-runs", lambda: [] if not os.listdir(f"{base}/runs/other") else "seen")
attempt("chmod-token", lambda: os.chmod(f"{base}/state/token", 0o644))
attempt("signal-gang", lambda: os.kill(os.getppid(), 0))
for name, path in {"metrics": os.environ["REKINDLE_METRICS"], "out": os.environ["REKINDLE_OUT"] + "/f",
                   "checkpoint": os.environ["REKINDLE_CHECKPOINT"] + "/f", "tmpdir": os.environ["TMPDIR"] + "/f",
                   "tmp": "/tmp/rekindle-own", "shm": "/dev/shm/rekindle-own", "null": "/dev/null"}.items():
    attempt("may-write-" + name, lambda: write(path))
for name, path in {"passwd": "/etc/passwd", "spec": os.environ["REKINDLE_SPEC"], "zero": "/dev/zero"}.items():
    attempt("may-read-" + name, lambda: read(path))
out.close()
os.remove(os.environ["REKINDLE_OUT"] + "/f")
)";

// In gangs that are started as programs, and in those of a process that has begun their fence.
class ConfinedEitherWay : public Confined, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Started, ConfinedEitherWay, testing::Bool(),
                         [](const auto& info) { return info.param ? "Warm" : "Cold"; });

TEST_P(ConfinedEitherWay, AScriptReachesWhatIsItsOwnAndNoMore) {
  if (host_.landlock < 6 || host_.namespaces == Namespaces::kNone)
    GTEST_SKIP() << "this host has no Landlock of ABI 6 or no namespaces";
  launcher_ = make({}, 0, false, GetParam());
  const std::string said = said_by(kTries);
  EXPECT_THAT(said, HasSubstr("may-write-metrics done")) << said;
  for (size_t at = 0; at < said.size();) {
    const size_t end = std::min(said.find('\n', at), said.size());
    const std::string line = said.substr(at, end - at);
    at = end + 1;
    const bool may = line.find("may-") != std::string::npos;
    if (line.find(" done") != std::string::npos || line.find(" refused") != std::string::npos) {
      EXPECT_EQ(line.find(" done") != std::string::npos, may) << line;
    }
  }
  EXPECT_EQ(read_file(base_ / "state/token").value(), "SECRET");
  EXPECT_FALSE(fs::exists("/tmp/rekindle-own")) << "its /tmp is its own";
  EXPECT_FALSE(fs::exists("/dev/shm/rekindle-own"));
}

constexpr const char* kBare = R"(
import os, sys
e = os.environ
def attempt(name, what):
    try:
        print(name, "done", what(), flush=True)
    except OSError as error:
        print(name, "refused", flush=True)
def write(path):
    with open(path, "a") as file:
        return file.write('{"step": 1, "loss": 0.5}\n') and "written"
folder = sys.argv[1]
print("spec", e["REKINDLE_SPEC"])
attempt("may-read-spec", lambda: "late" not in open(e["REKINDLE_SPEC"]).read())
attempt("may-list-code", lambda: os.listdir("."))
for name in "METRICS", "CHECKPOINT":
    attempt("may-write-" + name, lambda: write(e["REKINDLE_" + name] + ("/f" if name == "CHECKPOINT" else "")))
attempt("may-write-tmpdir", lambda: write(e["TMPDIR"] + "/f"))
attempt("may-see-it-in-tmp", lambda: open("/tmp/f").read(1))
for path in (e["REKINDLE_SPEC"], "new", e["REKINDLE_METRICS"] + ".tmp", folder + "/1/exit.pb", folder + "/1/log-0.txt"):
    attempt("write-" + path, lambda: write(path))
attempt("replace-metrics", lambda: os.replace("/tmp/f", e["REKINDLE_METRICS"]))
attempt("list-artifacts", lambda: os.listdir(folder + "/../artifacts/blobs"))
attempt("list-environments", lambda: os.listdir(folder + "/../environments"))
)";

// Beside its folder, which its script sees alone, as the host does not.
TEST_P(ConfinedEitherWay, ATaskThatBringsNothingWorksInMemory) {
  if (host_.landlock < 6 || host_.namespaces == Namespaces::kNone)
    GTEST_SKIP() << "this host has no Landlock of ABI 6 or no namespaces";
  launcher_ = make({}, 0, false, GetParam());
  fs::create_directories(base_ / "artifacts/blobs");
  fs::create_directories(base_ / "environments");
  v1::Plan what = plan({"/usr/bin/python3", "-c", kBare, (base_ / "runs").string()});
  what.mutable_spec()->clear_data();
  const AttemptFolder folder = started(std::move(what));
  EXPECT_EQ(ended(folder).code(), 0) << log(folder);
  const std::string said = log(folder);
  EXPECT_THAT(said, HasSubstr("spec " + (base_ / "runs/work/spec.json").string())) << said;
  EXPECT_FALSE(fs::exists(base_ / "runs/work"));
  int tries = 0;
  for (size_t at = said.find('\n') + 1; at < said.size(); ++tries) {
    const size_t end = std::min(said.find('\n', at), said.size());
    const std::string line = said.substr(at, end - at);
    at = end + 1;
    EXPECT_EQ(line.find(" done") != std::string::npos, line.starts_with("may-")) << line;
  }
  EXPECT_EQ(tries, 14) << said;
  const std::vector<v1::Report> told = reports(folder);
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const v1::Report& report) {
    return report.metric().name() == "loss" && report.metric().value() == 0.5;
  }));
}

TEST_F(Confined, TheFenceHoldsWithoutAViewOfItsOwn) {
  if (host_.landlock < runtime::kLandlockAbiMin) GTEST_SKIP() << "this host has no Landlock";
  // The same fence in a child that sees the host's folders.
  auto fence = runtime::Landlock::make(true).value();
  ASSERT_TRUE(allow_all(fence, {{base_, runtime::Landlock::May::kRead}}, {base_ / "state"}).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || fence.enter() != 0) ::_exit(9);
    const bool open = ::open((base_ / "elsewhere").c_str(), O_RDONLY) >= 0;
    const bool shut = ::open((base_ / "state/token").c_str(), O_RDONLY) < 0;
    const bool kept = ::open((base_ / "elsewhere").c_str(), O_WRONLY) < 0;
    ::_exit(open && shut && kept ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(Confined, APoolMayOpenMore) {
  if (host_.landlock < runtime::kLandlockAbiMin) GTEST_SKIP() << "this host has no Landlock";
  fs::create_directories(base_ / "data");
  ASSERT_TRUE(write_file_durably(base_ / "data/f", "rows").ok());
  constexpr const char* kRead = R"(
import os, sys
try:
    said = open(sys.argv[1] + "/data/f").read()
except OSError:
    said = "refused"
open(os.environ["REKINDLE_OUT"] + "/f", "w").write(said)
)";
  EXPECT_EQ(said_by(kRead), "f=refused;");
  launcher_ = make(base_ / "data");
  EXPECT_EQ(said_by(kRead), "f=rows;");
  launcher_ = make({}, 0, true);
  EXPECT_EQ(said_by(kRead), "f=rows;");
}

// Linux has no words for "these may share": files in /dev/shm, sockets, and memory mapped by both.
TEST_F(Confined, RanksOfAGangShareMemoryAndSockets) {
  EXPECT_THAT(said_by(R"(
import os, socket, sys, time
from multiprocessing import Pool, shared_memory
e = os.environ
here = e["TMPDIR"] + "/rank-0"
if __name__ == "__main__":
    if e["RANK"] == "0":
        segment = shared_memory.SharedMemory("rekindle-both", create=True, size=8)
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0rekindle-" + e["REKINDLE_RUN"] + str(os.getpid()))
        server.listen()
        with open(here + ".tmp", "w") as file:
            file.write(server.getsockname()[1:].decode() if isinstance(server.getsockname(), str) else server.getsockname().decode()[1:])
        os.rename(here + ".tmp", here)
        connection, _ = server.accept()
        said = connection.recv(10).decode() + str(segment.buf[0])
        segment.close(); segment.unlink()
    else:
        while not os.path.exists(here):
            time.sleep(0.01)
        segment = shared_memory.SharedMemory("rekindle-both")
        segment.buf[0] = 7
        segment.close()
        client = socket.socket(socket.AF_UNIX)
        client.connect("\0" + open(here).read())
        client.send(b"hello")
        with Pool(2) as pool:
            said = str(sum(pool.map(abs, [-1, -2])))
    open(f"{e['REKINDLE_OUT']}/rank-{e['RANK']}", "w").write(said)
)",
                      2),
              HasSubstr("rank-0=hello7;rank-1=3;"));
}

TEST_F(Confined, AScriptComputesOnAGpu) {
  if (::access("/dev/nvidiactl", R_OK | W_OK) != 0) GTEST_SKIP() << "this host has no GPU";
  EXPECT_EQ(said_by(R"(
import ctypes, os
cuda = ctypes.CDLL("libcuda.so.1")
def do(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    assert code == 0, f"{name}: {code}"
device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
there, back = (ctypes.c_char * 8)(*b"confined"), (ctypes.c_char * 8)()
do("cuInit", 0)
do("cuDeviceGet", ctypes.byref(device), 0)
do("cuCtxCreate_v2", ctypes.byref(context), 0, device)
do("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(8 << 20))
do("cuMemcpyHtoD_v2", memory, there, ctypes.c_size_t(8))
do("cuMemcpyDtoH_v2", back, memory, ctypes.c_size_t(8))
open(os.environ["REKINDLE_OUT"] + "/f", "w").write(bytes(back).decode())
)",
                    1, 1),
            "f=confined;");
}

// What an attempt with GPUs may write below /proc is nothing of the host's.
TEST_F(Confined, SettingsOfTheHostAreClosedToAScriptWithGpus) {
  EXPECT_EQ(said_by(R"(
import os
said = []
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
             f"/proc/{os.getppid()}/mem"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        said.append(path)
    except OSError:
        pass
own = os.open("/proc/self/comm", os.O_WRONLY)
os.write(own, b"named")
open(os.environ["REKINDLE_OUT"] + "/f", "w").write(" ".join(said) + open("/proc/self/comm").read().strip())
)",
                    1, 1),
            "f=named;");
}

TEST_F(Confined, AMemoryBombEndsAloneAndIsCounted) {
  if (!host_.groups.memory) GTEST_SKIP() << host_.groups.memory_lack;
  const AttemptFolder other = bystander();
  const AttemptFolder folder = started(with_memory(plan({"/usr/bin/python3", "-c", R"(
import os, time
if os.environ["RANK"] == "0":
    time.sleep(1000)
hoard = []
while True:
    hoard.append(bytearray(8 << 20))
)"},
                                                        2),
                                                   64 << 20));
  const v1::ExitRecord record_of_end = ended(folder);
  EXPECT_NE(record_of_end.code(), 0);
  ASSERT_EQ(record_of_end.ranks_size(), 1) << log(folder, 1);
  EXPECT_EQ(record_of_end.ranks(0).rank(), 1);
  EXPECT_EQ(record_of_end.ranks(0).signal(), SIGKILL);
  const v1::Confinement confined = record(folder);
  EXPECT_GE(confined.memory_kills(), 1u);
  EXPECT_GT(confined.memory_peak(), 64u << 20);
  EXPECT_LE(confined.memory_peak(), confined.memory_limit());
  EXPECT_EQ(confined.policy().memory_field(), "train.ranks.memory");
  expect_no_groups(folder);
  expect_well(other);
  EXPECT_EQ(record(other).memory_kills(), 0u);
}

TEST_F(Confined, AForkBombEndsAlone) {
  if (!host_.groups.pids) GTEST_SKIP() << host_.groups.pids_lack;
  launcher_ = make({}, 64);
  const AttemptFolder folder = started(plan({"/usr/bin/python3", "-c", R"(
import os, signal, time
for kind in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(kind, signal.SIG_IGN)
print("running", flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        time.sleep(0.001)
)"}));
  ASSERT_TRUE(in_script(folder, 1));
  const std::string group = record(folder).pids_group();
  ASSERT_TRUE(eventually([&] { return forks_refused(group) > 100; }));
  expect_well(bystander());
  ASSERT_TRUE(launcher_->signal(folder, Signal::kStop).ok());
  EXPECT_NE(ended(folder).note(), "");
  EXPECT_GT(record(folder).forks_refused(), 100u);
  expect_no_groups(folder);
}

// It took its marks off and left every parent; the supervisor is gone too.
TEST_F(Confined, WhatHidFromALostGangIsFoundInItsGroup) {
  if (!host_.groups.pids) GTEST_SKIP() << host_.groups.pids_lack;
  const AttemptFolder folder =
      started(shell("env -i setsid sh -c 'setsid sleep 1000.7 & exec sleep 1000.7' & echo running; wait"));
  ASSERT_TRUE(in_script(folder, 1));
  const auto hidden = [&folder] {
    size_t count = 0;
    std::ifstream procs(fs::path(record(folder).pids_group()) / "cgroup.procs");
    for (std::string line; std::getline(procs, line);) ++count;
    return count;
  };
  ASSERT_TRUE(eventually([&] { return hidden() >= 4; })) << hidden();
  ::kill(folder.read_gang().value()->pid(), SIGKILL);
  wait_for(*launcher_, folder, GangState::kLost);
  expect_no_groups(folder);
}

TEST_F(Confined, AnEndlessLineIsCut) {
  const AttemptFolder folder = started(
      shell("head -c 200000000 /dev/zero | tr '\\0' x; echo; echo the end; echo v >\"$REKINDLE_OUT/f\""));
  EXPECT_EQ(ended(folder).code(), 0);
  EXPECT_LT(fs::file_size(folder.log(0)), 65'000'000u);
  std::ifstream in(folder.log(0), std::ios::ate);
  in.seekg(-20'000, std::ios::end);
  const std::string tail((std::istreambuf_iterator<char>(in)), {});
  EXPECT_THAT(tail, HasSubstr("bytes were dropped; their end:"));
  EXPECT_THAT(tail, HasSubstr("the end\n"));
}

TEST_F(Confined, WhatARankPrintsItselfIsCutToo) {
  const fs::path log = base_ / "log";
  Fd writer(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  LogCap cap({log, base_ / "none"}, 1000);
  const auto print = [&](const std::string& text) { ASSERT_TRUE(write_all(writer.get(), text, log).ok()); };
  print(std::string(900, 'a'));
  cap.look();
  EXPECT_EQ(fs::file_size(log), 900u);
  print(std::string(5000, 'b'));
  cap.look();
  const uint64_t bound = fs::file_size(log);
  EXPECT_LT(bound, 1100u);
  print(std::string(50'000, 'c'));
  cap.look();
  EXPECT_EQ(fs::file_size(log), bound);
  print("the error\n");
  cap.finish();
  const std::string text = read_file(log).value();
  EXPECT_THAT(text, HasSubstr("rekindle: the log has reached"));
  EXPECT_THAT(text, HasSubstr("rekindle: 54910 bytes were dropped; their end:\n"));
  EXPECT_THAT(text, testing::EndsWith("cccthe error\n"));
  EXPECT_LT(text.size(), 20'000u);
}

// Nothing that somebody put in a file's place is followed or waited for.
TEST_F(Confined, OnlyPlainFilesAreReadFromAnAttempt) {
  const AttemptFolder folder = attempt("wait");
  const auto in_its_place = [&](const fs::path& path, const std::function<void()>& put) {
    put();
    EXPECT_EQ(folder.read_outcome().status().code(), Code::kDataLoss);
    ReportReader reports(folder, 0);
    EXPECT_EQ(reports.read_new().status().code(), Code::kDataLoss);
    EXPECT_FALSE(ReportWriter::open(folder, 0).ok());
    fs::remove_all(path);
    fs::remove_all(folder.report(0));
  };
  for (const auto& put : std::vector<std::function<void(const fs::path&)>>{
           [](const fs::path& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); },
           [&](const fs::path& path) { fs::create_symlink(base_ / "state/token", path); },
           [](const fs::path& path) { fs::create_symlink("/dev/zero", path); },
           [](const fs::path& path) { fs::create_directory(path); }})
    in_its_place(folder.outcome(), [&] {
      put(folder.outcome());
      put(folder.report(0));
    });
  EXPECT_EQ(read_file(base_ / "state/token").value(), "SECRET");
}

// Version 2 as it looks where a service was given a part of it; this stands in for the kernel's files.
class GroupsV2 : public testing::Test {
 protected:
  GroupsV2() {
    std::string name = (fs::temp_directory_path() / "rekindle-groups-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    root_ = name;
    put("mount/cgroup.controllers", "cpu memory pids\n");
    put("self/mountinfo", "30 20 0:26 / " + (root_ / "mount").string() + " rw - cgroup2 cgroup2 rw\n");
    put("self/cgroup", "0::/service/rekindled\n");
  }
  ~GroupsV2() override { fs::remove_all(root_); }
  void put(const fs::path& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    ASSERT_TRUE(write_file_durably(root_ / file, text).ok());
  }
  fs::path root_;
};

TEST_F(GroupsV2, WhyNotIsSaid) {
  put("mount/service/rekindled/cgroup.procs", "");
  GroupHost host = find_groups(root_ / "self");
  EXPECT_FALSE(host.memory.has_value());
  EXPECT_THAT(host.memory_lack, HasSubstr("service/rekindled is not delegated to this user"));
  put("mount/service/cgroup.subtree_control", "memory pids\n");
  host = find_groups(root_ / "self");
  EXPECT_THAT(host.memory_lack, HasSubstr("have no memory.max")) << "the group above is tried";
  put("self/cgroup", "5:cpu:/\n");
  EXPECT_THAT(find_groups(root_ / "self").pids_lack, HasSubstr("no control groups for pids"));
  put("self/mountinfo", "nonsense\n1 2 - -\n");
  EXPECT_FALSE(find_groups(root_ / "self").pids.has_value());
}

TEST_F(GroupsV2, CountsAreRead) {
  put("g/memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n");
  put("g/memory.peak", "4096\n");
  put("g/pids.events", "max 7\n");
  EXPECT_EQ(memory_kills(root_ / "g"), 2u);
  EXPECT_EQ(memory_peak(root_ / "g"), 4096u);
  EXPECT_EQ(forks_refused(root_ / "g"), 7u);
  EXPECT_EQ(memory_kills(root_ / "none"), 0u);
  put("a/memory.max", "1000\n");
  put("a/b/memory.max", "max\n");
  EXPECT_EQ(memory_limit_above({root_ / "a/b", 2}), 1000u);
  EXPECT_TRUE(end_group(root_ / "gone"));
}

}  // namespace
}  // namespace rekindle::launch
