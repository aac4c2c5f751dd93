#include "launch/confine/confinement.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <thread>

#include "base/files/passing_files.h"
#include "base/files/plain_file.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/process.h"
#include "launch/confine/reach.h"

namespace rekindle::launch {
namespace {

using runtime::Landlock;

constexpr std::string_view kGroupName = "rekindle-";
constexpr rlim_t kFilesMost = 65'536;  // open in one process
// mpirun and the process around each rank are in the attempt's group too.
constexpr uint64_t kOurBytes = 64ull << 20, kOurBytesPerRank = 16ull << 20;
constexpr int kCapabilities = 64;

struct Limit {
  __rlimit_resource_t resource;
  rlimit value;
};

Limit at_most(__rlimit_resource_t resource, rlim_t most) {
  Limit out{resource, {}};
  ::getrlimit(resource, &out.value);
  out.value.rlim_max = std::min(out.value.rlim_max, most);
  out.value.rlim_cur = std::min(out.value.rlim_cur, out.value.rlim_max);
  return out;
}

fs::path record_of(const AttemptFolder& folder) {
  return folder.root() / "confined.pb";
}

std::vector<fs::path> hidden_of(const v1::ConfinePolicy& policy) {
  std::vector<fs::path> out;
  for (const std::string& folder : policy.hidden()) out.push_back(real(folder));
  return out;
}

void add_to(std::vector<Grant>& grants, std::vector<Grant> more) {
  std::move(more.begin(), more.end(), std::back_inserter(grants));
}

// Nine tenths of what there is: the rest is for whoever ends what takes more.
uint64_t memory_to_give(const Confinable& host) {
  uint64_t out =
      static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (host.groups.memory)
    if (const uint64_t above = memory_limit_above(*host.groups.memory); above > 0) out = std::min(out, above);
  return out / 10 * 9;
}

Confinable of_message(const v1::ConfineHost& host) {
  Confinable out;
  out.namespaces = static_cast<Namespaces>(host.namespaces());
  out.landlock = runtime::landlock_abi();
  if (!host.memory_parent().empty())
    out.groups.memory = GroupParent{host.memory_parent(), static_cast<int>(host.memory_version())};
  if (!host.pids_parent().empty())
    out.groups.pids = GroupParent{host.pids_parent(), static_cast<int>(host.pids_version())};
  return out;
}

// Apptainer puts a file system together, which nothing inside a fence may do.
bool in_container(const v1::Plan& plan) {
  return !plan.spec().train().env().container().empty();
}

// What its processes see as /tmp: the scratch folder itself where that lies there. But a container's
// processes, which no view surrounds, look for it by its name; and where the attempt's own files lie in /tmp
// a script is to write in a part of it alone.
fs::path private_tmp(const Confinable& host, const v1::Plan& plan, const fs::path& scratch,
                     std::vector<fs::path> others) {
  others.push_back(real(plan.checkpoints()));
  if (!is_bare(plan))
    for (const std::string& path : {plan.artifacts(), plan.environments()}) others.push_back(real(path));
  const bool itself =
      host.namespaces != Namespaces::kNone && scratch.parent_path() == "/tmp" && !in_container(plan) &&
      std::none_of(others.begin(), others.end(), [](const fs::path& one) { return lies_in(one, "/tmp"); });
  return itself ? scratch : scratch / "tmp";
}

// Beside the attempt's folder, where in its view there is nothing else.
std::optional<fs::path> work_in_memory(const Confinable& host, const GangOptions& options,
                                       const v1::Plan& plan, const std::vector<fs::path>& hidden) {
  const bool alone = plan.world() <= 1 && options.srun.empty();
  if (!is_bare(plan) || !alone || host.namespaces == Namespaces::kNone) return std::nullopt;
  const fs::path around = real(options.folder).parent_path();
  const auto replaced = [&around](const fs::path& one) { return lies_in(around, one); };
  if (std::none_of(hidden.begin(), hidden.end(), replaced)) return std::nullopt;
  return around / "work";
}

// What is private to an attempt is its own only where it can be.
View private_view(Namespaces how, const fs::path& tmp, const std::vector<fs::path>& hidden,
                  std::vector<fs::path> kept) {
  View out(how);
  for (const fs::path& folder : shared_scratch()) out.replace(folder, folder == "/tmp" ? tmp : "");
  for (const fs::path& folder : hidden) out.replace(folder);
  std::sort(kept.begin(), kept.end());  // those around others first
  for (const fs::path& path : kept) out.keep(path);
  return out;
}

}  // namespace

// What a child does to itself before it executes; all memory is taken before the fork.
struct Confinement::Entry {
  std::vector<int> groups;
  std::vector<Limit> limits;
  bool fenced = true;
  std::shared_ptr<const View> view;
  std::shared_ptr<const Landlock> landlock;  // null: files are open to it
  std::vector<std::string> scratch;          // as it sees them

  int enter() const {
    for (const int group : groups)
      if (::write(group, "0", 1) < 0) return errno;
    for (const Limit& limit : limits)
      if (::setrlimit(limit.resource, &limit.value) != 0) return errno;
    if (fenced && view)
      if (const int error = view->enter()) return error;
    // Runs of a daemon that is root own what it owns and have none of its powers. Others have none to drop.
    for (int capability = 0; capability < kCapabilities; ++capability)
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (!fenced || !landlock) return 0;
    for (const std::string& folder : scratch)
      if (const int error = landlock->allow_raw(folder.c_str(), Landlock::May::kWrite);
          error != 0 && error != ENOENT)
        return error;
    return landlock->enter();
  }
};

Confinable confinable() {
  return {find_groups(), namespaces_here(), runtime::landlock_abi()};
}

std::vector<Confinable::Lack> Confinable::lacks() const {
  std::vector<Lack> out;
  const std::string delegate =
      "run rekindled where it may make control groups (systemd 254: Delegate=yes, "
      "DelegateSubgroup=rekindled)";
  if (!groups.memory)
    out.push_back({"attempts have no memory limit in common: " + groups.memory_lack,
                   delegate + "; until then train.ranks.memory bounds what each process allocates"});
  if (!groups.pids)
    out.push_back({"attempts have no limit of processes of their own: " + groups.pids_lack,
                   delegate + "; until then the limit is this user's"});
  if (namespaces == Namespaces::kNone)
    out.push_back({"attempts share /tmp and /dev/shm with this host: this user may make no namespaces",
                   "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
                   "kernel.apparmor_restrict_unprivileged_userns=0)"});
  if (landlock < runtime::kLandlockAbiMin)
    out.push_back(
        {"runs can open every file that this user can: this kernel has no Landlock",
         "Linux 5.19 or later, with landlock among its security modules (lsm=); until then let only "
         "those submit who may log in as this user"});
  else if (landlock < 3)
    out.push_back({"runs could cut off files of this user that they cannot open (Landlock before ABI 3)",
                   "Linux 6.2 or later"});
  else if (landlock < 6)
    out.push_back(
        {"runs could signal this user's other processes (Landlock before ABI 6)", "Linux 6.12 or later"});
  return out;
}

v1::ConfineHost as_message(const Confinable& host) {
  v1::ConfineHost out;
  out.set_namespaces(static_cast<uint32_t>(host.namespaces));
  if (host.groups.memory) {
    out.set_memory_parent(host.groups.memory->folder.string());
    out.set_memory_version(static_cast<uint32_t>(host.groups.memory->version));
  }
  if (host.groups.pids) {
    out.set_pids_parent(host.groups.pids->folder.string());
    out.set_pids_version(static_cast<uint32_t>(host.groups.pids->version));
  }
  for (const Confinable::Lack& lack : host.lacks()) out.add_lacks(lack.what);
  return out;
}

Confinement Confinement::set_up(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch) {
  Confinement out(AttemptFolder(options.folder), scratch);
  if (!options.confine.has_value()) return out;
  out.wanted_ = true;
  out.in_container_ = in_container(plan);
  *out.record_.mutable_policy() = *options.confine;
  const Confinable host = of_message(options.confine->host());
  for (const std::string& lack : options.confine->host().lacks()) out.lacks(lack);
  out.entry_ = std::make_shared<Entry>();
  out.make_groups(host, std::max<uint32_t>(1, plan.world()));
  if (options.confine->confine().files() != v1::Confine::ALL) out.make_fence(host, options, plan, scratch);
  out.write();
  return out;
}

void Confinement::make_groups(const Confinable& host, uint32_t world) {
  const v1::ConfinePolicy& policy = record_.policy();
  const std::string name = std::string(kGroupName) + random_hex(8);
  const auto made = [this, &name](const std::optional<GroupParent>& parent) -> std::optional<Group> {
    if (!parent) return std::nullopt;
    Result<Group> group = Group::make(*parent, name);
    if (group.ok()) return std::move(*group);
    lacks(group.status().message());
    return std::nullopt;
  };
  memory_ = made(host.groups.memory);
  // In version 2 one group has both controllers.
  const bool together = memory_ && host.groups.pids && host.groups.pids->folder == host.groups.memory->folder;
  if (!together) pids_ = made(host.groups.pids);
  const Group* pids = together ? &*memory_ : pids_ ? &*pids_ : nullptr;
  if (pids != nullptr) record_.set_pids_group(pids->folder().string());
  memory_otherwise_ = memory_to_give(host);
  record_.set_memory_limit(policy.memory() > 0 ? policy.memory() + kOurBytes + world * kOurBytesPerRank
                                               : memory_otherwise_);
  if (memory_) record_.set_memory_group(memory_->folder().string());
  if (!memory_) {
    record_.set_memory_by_process(policy.memory() > 0);
    record_.set_memory_limit(policy.memory() / world);
  }
  for (const std::optional<Group>* group : {&memory_, &pids_})
    if (group->has_value()) entry_->groups.push_back((*group)->entrance());
  entry_->limits.push_back(at_most(RLIMIT_NOFILE, kFilesMost));
  // Counted over all of this user's: beside what there is already.
  if (pids == nullptr)
    entry_->limits.push_back(
        at_most(RLIMIT_NPROC, policy.confine().processes() + 4 * all_processes().size()));
}

void Confinement::make_fence(const Confinable& host, const GangOptions& options, const v1::Plan& plan,
                             const fs::path& scratch) {
  const bool bare = is_bare(plan);
  const std::vector<fs::path> hidden = hidden_of(record_.policy());
  const fs::path tmp = private_tmp(host, plan, scratch, hidden);
  std::vector<fs::path> lasting, passing = {tmp};
  // A script's is durable with the first checkpoint in it (CheckpointWatch).
  (is_command(plan) ? passing : lasting).push_back(plan.checkpoints());
  if (!bare) lasting.push_back(plan.environments());
  if (!bare && !plan.artifacts().empty())
    for (const char* folder : {"blobs", "tmp"}) lasting.push_back(fs::path(plan.artifacts()) / folder);
  for (const fs::path& folder : lasting)
    if (const Status made = make_folders_durably(folder, 0750); !made.ok()) lacks(made.message());
  for (const fs::path& folder : passing)
    if (const Status made = make_folders(folder, 0750); !made.ok()) lacks(made.message());
  const bool fenced = host.landlock >= runtime::kLandlockAbiMin;
  std::optional<HostReach::Begun> begun = fenced ? HostReach::here().take_fence(hidden) : std::nullopt;
  std::vector<Grant> grants = begun ? std::move(begun->missing) : HostReach::here().settings();
  if (!begun) add_to(grants, HostReach::here().devices());
  add_to(grants, reach_of_system(record_.policy(), hidden));
  add_to(grants, reach_of_gpus(record_.policy(), plan));
  std::vector<fs::path> kept;
  // Folders of the system are no links into what is private to an attempt.
  for (const Grant& grant : grants) kept.push_back(grant.path);
  for (Grant& grant : reach_of_attempt(options, plan, scratch)) {
    if (grant.path != tmp) kept.push_back(real(grant.path));
    grants.push_back(std::move(grant));
  }
  // By the names that the plan has for them, which may be links.
  for (const std::string& path : {plan.artifacts(), plan.environments()})
    if (!bare && !path.empty())
      kept.push_back(real(fs::path(path).parent_path()) / fs::path(path).filename());
  if (tmp == scratch) scratch_ = "/tmp";
  work_ = work_in_memory(host, options, plan, hidden);
  View view = private_view(host.namespaces, tmp, hidden, std::move(kept));
  if (work_) view.make(*work_);
  if (!fenced || plan.gpus_per_rank() > 0) view.close_host_settings();
  entry_->view = std::make_shared<View>(std::move(view));
  if (!fenced) return;
  Result<Landlock> fence = begun ? Result<Landlock>(std::move(begun->fence)) : Landlock::make(true);
  const Status allowed = fence.ok() ? allow_all(*fence, grants, hidden) : fence.status();
  if (!allowed.ok()) return lacks(allowed.message());
  entry_->landlock = std::make_shared<Landlock>(std::move(*fence));
  record_.set_fence(true);
  if (work_) entry_->scratch.push_back(work_->string());
  // Those of the host are not to be written where what is hidden lies in them.
  for (const fs::path& folder : shared_scratch())
    if (host.namespaces != Namespaces::kNone ||
        std::none_of(hidden.begin(), hidden.end(), [&](const auto& one) { return lies_in(one, folder); }))
      entry_->scratch.push_back(folder.string());
}

void Confinement::around(SpawnOptions& spawning, Part part) {
  spawning.confined = wanted_;
  if (!wanted_) return;
  set_limits(part);
  const auto entry = std::make_shared<Entry>(*entry_);
  if (part == Part::kRanks) {
    entry->fenced = !in_container_;
    if (record_.memory_by_process()) entry->limits.push_back(at_most(RLIMIT_DATA, record_.memory_limit()));
  }
  spawning.enter = [entry] { return entry->enter(); };
}

// A group keeps what was read for the part before; what it cannot let go of at once it can in a moment.
void Confinement::set_limits(Part part) {
  const uint64_t bytes = part == Part::kRanks ? record_.memory_limit() : memory_otherwise_;
  Status memory, processes;
  for (int tries = 0; memory_ && tries < 20; ++tries) {
    memory = memory_->limit_memory(bytes);
    if (memory.ok()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  if (const Group* pids = pids_     ? &*pids_
                          : memory_ ? &*memory_
                                    : nullptr;
      pids != nullptr && !record_.pids_group().empty())
    processes = pids->limit_processes(record_.policy().confine().processes());
  for (const Status& status : {memory, processes})
    if (!status.ok()) lacks(status.message());
}

void Confinement::sweep() {
  for (const std::string& group : {record_.pids_group(), record_.memory_group()})
    if (!group.empty()) kill_in_group(group);
}

void Confinement::finish() {
  if (!wanted_) return;
  if (const fs::path group = record_.memory_group(); !group.empty()) {
    record_.set_memory_kills(launch::memory_kills(group));
    record_.set_memory_peak(launch::memory_peak(group));
  }
  if (const fs::path group = record_.pids_group(); !group.empty())
    record_.set_forks_refused(launch::forks_refused(group));
  if (!end_groups(record_)) lacks("a process of the attempt could not be killed");
  add_end();
}

void Confinement::lacks(std::string what) {
  record_.add_lacks(std::move(what));
}

// Not durable: after a crash of the host nothing of what it names is left.
void Confinement::write() {
  lacks_written_ = record_.lacks_size();
  const fs::path file = record_of(folder_);
  const fs::path temp = file.string() + ".tmp";
  Fd fd(::open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640));
  Status status =
      fd.valid() ? write_all(fd.get(), record_.SerializeAsString(), temp) : errno_status("creating", temp);
  if (status.ok() && ::rename(temp.c_str(), file.c_str()) != 0) status = errno_status("renaming to", file);
  if (!status.ok()) log_warning("what confines the attempt is not recorded", {{"reason", status.message()}});
}

// Behind the first one, with what has come since: as messages are read, the two are one.
void Confinement::add_end() const {
  v1::Confinement end;
  end.set_memory_kills(record_.memory_kills());
  end.set_memory_peak(record_.memory_peak());
  end.set_forks_refused(record_.forks_refused());
  for (int i = lacks_written_; i < record_.lacks_size(); ++i) end.add_lacks(record_.lacks(i));
  const Result<Fd> fd = append_to_plain_file(record_of(folder_), 0640);
  const Status status =
      fd.ok() ? write_all(fd->get(), end.SerializeAsString(), record_of(folder_)) : fd.status();
  if (!status.ok()) log_warning("what was counted is not recorded", {{"reason", status.message()}});
}

std::optional<v1::Confinement> read_confinement(const AttemptFolder& folder) {
  const Result<std::string> bytes = read_plain_file(record_of(folder));
  v1::Confinement record;
  if (!bytes.ok() || !record.ParseFromString(*bytes)) return std::nullopt;
  return record;
}

bool end_groups(const v1::Confinement& record) {
  bool done = true;
  for (const std::string& group : {record.pids_group(), record.memory_group()})
    // Whatever the record says, nothing but a group of an attempt is ended.
    if (fs::path(group).filename().string().starts_with(kGroupName)) done &= end_group(group);
  return done;
}

Result<std::function<int()>> fence_of_script(const AttemptFolder& folder, const WorkFolder& work,
                                             const v1::Plan& plan, int rank) {
  const std::optional<v1::Confinement> record = read_confinement(folder);
  if (!record || record->policy().confine().files() == v1::Confine::ALL || in_container(plan) ||
      runtime::landlock_abi() < runtime::kLandlockAbiMin)
    return std::function<int()>();
  // Ranks of a gang meet on sockets; whom they meet the fence around the gang says.
  Landlock fence = TRY(Landlock::make(false));
  const std::vector<fs::path> hidden = hidden_of(record->policy());
  std::vector<Grant> grants;
  // Inside a fence that has looked at each of their files: all of them.
  if (record->fence()) {
    grants = {{"/etc", Landlock::May::kRead}, {"/dev", Landlock::May::kUse}};
  } else {
    grants = HostReach::here().settings();
    add_to(grants, HostReach::here().devices());
  }
  add_to(grants, reach_of_system(record->policy(), hidden));
  add_to(grants, reach_of_gpus(record->policy(), plan));
  add_to(grants, reach_of_script(folder, work, plan, hidden, rank));
  TRY_STATUS(allow_all(fence, grants, hidden));
  const auto kept = std::make_shared<Landlock>(std::move(fence));
  return std::function<int()>([kept] { return kept->enter(); });
}

}  // namespace rekindle::launch
