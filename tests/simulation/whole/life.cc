#include "tests/simulation/whole/life.h"

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>

#include "base/ids.h"
#include "core/apply.h"
#include "tests/core/builders.h"

namespace rekindle::whole {
namespace {

using namespace core::testing;  // NOLINT: specs and snapshots
using std::chrono::milliseconds;

constexpr int kSettleSteps = 20'000;

// In memory where there is some: thousands of small files are synced.
fs::path make_folder() {
  std::error_code none;
  const fs::path root = fs::exists("/dev/shm", none) ? "/dev/shm" : fs::temp_directory_path();
  std::string name = (root / "rekindle-life-XXXXXX").string();
  CHECK(::mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

Life::Life(LifeOptions options)
    : options_(options),
      outside_(options.seed, time_from_micros(day_us(3, 1))),
      folder_(make_folder()),
      store_(outside_),
      gangs_(outside_, store_.within(), kSlots),
      slurm_(outside_, gangs_) {
  disk_.crash_percent = options.crash_percent;
  disk_.crash_at = options.crash_at;
  disk_.crash_before = options.crash_before;
  outside_.healthy = options.calm;
  disk_.stored = [this](const v1::Event& event) { stored(event); };
  gangs_.placed = [this](const std::string& run, uint32_t attempt) {
    const v1::Run* known = core::find_run(shadow_, run);
    return known && core::find_attempt(*known, attempt) != nullptr;
  };
  edit_pools(5);
}

Life::~Life() {
  process_.reset();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Life::live() {
  restart();
  set_up();
  for (int i = 0; i < options_.steps && problems().empty(); ++i) step();
  if (problems().empty()) settle();
  if (problems().empty()) prove_alive();
}

void Life::set_up() {
  ask_until_answered(core::AddSnapshot{january(), false});
  for (const char* job : kJobs) ask_until_answered(apply_of(spec(job)));
}

void Life::ask_until_answered(core::Command command) {
  auto request = std::make_shared<Request>();
  if (const auto* start = std::get_if<core::StartRun>(&command))
    request->key = start->request.idempotency_key();
  request->command = std::move(command);
  requests_.push_back(request);
  for (int i = 0; i < 2'000 && !request->answered && problems().empty(); ++i) {
    ask_all();
    take_turns();
    pass(Seconds(1));
  }
  if (!request->answered) outside_.problem("a client never got its answer");
}

void Life::step() {
  if (outside_.dice.chance(25)) {
    auto request = std::make_shared<Request>();
    request->command = wish();
    if (const auto* start = std::get_if<core::StartRun>(&request->command))
      request->key = start->request.idempotency_key();
    requests_.push_back(std::move(request));
  }
  if (outside_.fault(6)) mishap();
  ask_all();
  take_turns();
  check();
  pass(outside_.dice.chance(3) ? Seconds(30) : Seconds(2));
}

// Clients ask, and ask again with the same key until they have an answer.
void Life::ask_all() {
  std::erase_if(requests_, [](const auto& request) { return request->answered; });
  for (const auto& request : requests_) {
    if (!process_ || request->asked) continue;
    request->asked = true;
    boost::asio::co_spawn(process_->io(), answer(request),
                          [](std::exception_ptr error) { CHECK(!error, "no exception leaves an answer"); });
  }
}

boost::asio::awaitable<void> Life::answer(std::shared_ptr<Request> request) {
  core::Command command = request->command;
  std::string actor = "anna";
  auto accepted = co_await process_->core().commit(std::move(command), std::move(actor));
  // The answer is lost on its way: the client asks again.
  if (!outside_.fault(5)) request->answered = true;
  request->asked = request->answered;
  answered(*request, accepted);
}

void Life::take_turns() {
  report_nodes();
  // A slow process does not get through with all that is due.
  const uint64_t most = outside_.fault(20) ? 1 + outside_.dice.below(6) : 10'000;
  try {
    for (uint64_t i = 0; process_ && i < most && process_->take_turn(); ++i) {
    }
  } catch (const Crash& crash) {
    outside_.note("dies: " + crash.where);
    die(false);
  }
}

// To the next thing that happens, or a little further.
void Life::pass(Micros at_most) {
  const Instant now = outside_.clock.monotonic();
  Instant next = now + at_most;
  const auto at = [&](std::optional<Instant> when) {
    if (when && *when < next) next = *when;
  };
  if (process_) at(process_->next());
  if (!process_) at(restarts_);
  at(gangs_.next());
  at(slurm_.next());
  Micros step = std::max(Micros(1000), std::chrono::ceil<Micros>(next - now));
  if (outside_.dice.chance(10)) step += outside_.between(milliseconds(1), milliseconds(1500));
  outside_.clock.advance(step);
  gangs_.pass();
  slurm_.pass();
  if (!process_ && outside_.clock.monotonic() >= restarts_) restart();
}

// The process is gone with all that was not durable; with its host go the gangs that ran there.
void Life::die(bool host) {
  if (host) gangs_.host_died();
  if (!process_) return;
  process_.reset();
  for (const auto& request : requests_) request->asked = request->answered;
  restarts_ = outside_.clock.monotonic() + outside_.between(milliseconds(0), milliseconds(20'000));
}

void Life::restart() {
  // With a broken file it does not start, and says so.
  if (pools_broken_) edit_pools(5);
  process_ = std::make_unique<Process>(Surroundings{outside_, disk_, store_, gangs_, slurm_, folder_});
  try {
    const Status started = process_->start();
    if (!started.ok()) outside_.problem("it does not start: " + started.to_string());
    outside_.note(fmt::format("starts at event {}", process_->core().state().seq));
  } catch (const Crash&) {
    die(false);
  }
}

void Life::settle() {
  outside_.healthy = true;
  outside_.note("no more faults");
  edit_pools(5);
  for (const auto& entry : fs::directory_iterator(folder_ / "runs"))
    if (entry.is_regular_file()) fs::remove(entry.path());
  for (const char* job : kJobs) {
    v1::FreezeRequest thaw;
    thaw.set_model(job);
    ask_until_answered(core::Freeze{thaw});
  }
  std::string unrest = "it has not been looked at";
  for (int i = 0; i < kSettleSteps && problems().empty(); ++i) {
    ask_all();
    take_turns();
    check();
    if (unrest = this->unrest(); unrest.empty()) return;
    pass(Seconds(2));
  }
  outside_.problem("it never came to rest: " + unrest);
}

// New work gets done once the faults are over.
void Life::prove_alive() {
  for (const char* job : {"one", "batch3"}) {
    v1::StartRunRequest r;
    r.set_job(job);
    r.set_idempotency_key(fmt::format("after-{}", job));
    ask_until_answered(core::StartRun{r});
  }
  for (int i = 0; i < kSettleSteps && problems().empty() && !unrest().empty(); ++i) {
    ask_all();
    take_turns();
    check();
    pass(Seconds(2));
  }
  for (const char* job : {"one", "batch3"}) {
    const v1::Run* made = core::run_with_key(shadow_, fmt::format("after-{}", job));
    if (!made) return outside_.problem("a submission was answered and is not there");
    const v1::Run& run = *made;
    if (run.attempts_size() != 1 || run.attempts(0).end() != v1::END_FINISHED)
      outside_.problem(fmt::format("{} did not simply finish: {} {}", run.id(),
                                   v1::RunState_Name(run.state()), run.reason()));
  }
}

}  // namespace rekindle::whole
