#include "coordinator/core_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/faults/crash_point.h"
#include "base/faults/fail_stop.h"
#include "base/log.h"
#include "core/apply.h"
#include "core/decide/retired.h"
#include "core/invariants.h"
#include "core/nodes.h"

namespace rekindle::coordinator {

namespace {
constexpr uint32_t kPage = 1'000;
// A wake that is due but changes nothing (it waits for the outside) must not spin.
constexpr Micros kTickLeast{20'000};

// Decided and applied in memory; the journal knows nothing of it yet.
void come_to_crash_points(const std::vector<v1::Event>& events) {
  crash_point("core-decided");
  for (const v1::Event& event : events) {
    if (event.has_attempt_placed()) crash_point("placement-decided");
    if (event.has_version_published()) crash_point("publication-decided");
    if (event.has_rollout_changed()) crash_point("rollout-decided");
  }
}
}  // namespace

CoreLoop::CoreLoop(boost::asio::io_context& io, const Clock& clock, CoreLoopOptions options)
    : io_(io),
      clock_(clock),
      options_(std::move(options)),
      cluster_(std::make_shared<const core::place::Cluster>(std::move(options_.cluster))),
      wall_start_(clock.wall()),
      monotonic_start_(clock.monotonic()),
      durable_changes_(io),
      changes_(io),
      timer_(io) {}

CoreLoop::~CoreLoop() {
  stop();
}

Status CoreLoop::load(std::unique_ptr<Journal> journal) {
  Loaded loaded = TRY(journal->load());
  if (loaded.snapshot) state_ = core::from_snapshot(*loaded.snapshot);
  for (const v1::Event& event : loaded.events) {
    if (event.seq() != state_.seq + 1)
      return data_loss(fmt::format("the journal goes from event {} to {}", state_.seq, event.seq()));
    core::apply(state_, event);
  }
  // A host's clock that was set back meanwhile would keep retries and time limits waiting for as long.
  if (const Time newest = time_from_micros(state_.time_us); wall_start_ < newest) {
    log_warning("this host's clock is behind the journal: going on from the journal's time",
                {{"clock", format_time(wall_start_)}, {"journal", format_time(newest)}});
    wall_start_ = newest;
  }
  durable_seq_ = state_.seq;
  snapshot_seq_ = loaded.snapshot ? loaded.snapshot->seq() : 0;
  for (const std::string& broken : core::broken_invariants(state_, *cluster_))
    log_error("invariant broken in the journal's state", {{"what", broken}});
  log_info("journal replayed", {{"seq", state_.seq},
                                {"events", loaded.events.size()},
                                {"queued", core::queued_count(state_)},
                                {"working", state_.working.size()}});

  crash_point("daemon-loaded");

  CommitObserver observer;
  observer.on_durable = [this](uint64_t seq) { boost::asio::post(io_, [this, seq] { on_durable(seq); }); };
  observer.on_commit = [this](double seconds, size_t events) {
    if (seams_.on_commit) seams_.on_commit(seconds, events);
  };
  observer.on_failure = [this](const Status& status) {
    if (options_.end_process) options_.end_process();
    end_unsynced("the journal", status.message());
  };
  journal_ = std::make_unique<CommitThread>(std::move(journal), observer, options_.hands);
  return ok_status();
}

void CoreLoop::begin(CoreSeams seams) {
  seams_ = std::move(seams);
  begun_ = true;
  after_change();
}

const core::place::Cluster& CoreLoop::cluster() const {
  if (!open_ || nodes_seq_ != state_.nodes_seq) {
    open_ = core::closed_by(state_, cluster_);
    nodes_seq_ = state_.nodes_seq;
  }
  return *open_;
}

Time CoreLoop::now() const {
  return wall_start_ + std::chrono::duration_cast<Micros>(clock_.monotonic() - monotonic_start_);
}

core::World CoreLoop::world() const {
  core::World world;
  world.now = now();
  world.cluster = cluster_;
  if (seams_.serving) world.serving = seams_.serving();
  if (seams_.saved) world.saved_us = seams_.saved();
  return world;
}

void CoreLoop::set_cluster(core::place::Cluster cluster) {
  if (cluster == *cluster_) return;
  cluster_ = std::make_shared<const core::place::Cluster>(std::move(cluster));
  open_.reset();
  if (begun_) tick();
}

void CoreLoop::tick() {
  auto ticked = submit(core::Tick());
  if (!ticked.ok()) log_error("tick refused", {{"error", ticked.status().to_string()}});
}

Result<Accepted> CoreLoop::submit(const core::Command& command, std::string_view actor) {
  core::World outside = world();
  core::Decision decision = TRY(core::advance(state_, outside, command, actor));
  Accepted accepted;
  accepted.seq = state_.seq;
  if (!decision.events.empty()) {
    come_to_crash_points(decision.events);
    journal_->append(decision.events);
    // As many events as there are runs, so that a large state is copied as much more rarely.
    if (state_.seq - snapshot_seq_ >= std::max<uint64_t>(options_.snapshot_every, state_.runs.size())) {
      snapshot_seq_ = state_.seq;
      journal_->save_snapshot(core::to_snapshot(state_));
    }
  }
  after_change();
  accepted.decision = std::move(decision);
  return accepted;
}

boost::asio::awaitable<Result<Accepted>> CoreLoop::commit(core::Command command, std::string actor) {
  if (state_.seq - durable_seq_ > options_.backlog_max)
    co_return resource_exhausted("too much waits for the disk: try again in a few seconds");
  Result<Accepted> accepted = submit(command, actor);
  if (!accepted.ok()) {
    // A refusal, too, tells of the state.
    co_await durable();
    co_return accepted.status();
  }
  co_await durable(accepted->seq);
  co_return accepted;
}

boost::asio::awaitable<void> CoreLoop::durable() {
  return durable(state_.seq);
}

boost::asio::awaitable<void> CoreLoop::durable(uint64_t seq) {
  while (durable_seq_ < seq) co_await durable_changes_.wait();
}

void CoreLoop::on_durable(uint64_t seq) {
  crash_point("core-durable");
  durable_seq_ = seq;
  durable_changes_.notify();
  changes_.notify();
  perform_if_durable();
}

void CoreLoop::after_change() {
  if (!begun_) return;
  if (!wanted_pending_) want();
  perform_if_durable();
  arm_timer();
}

void CoreLoop::want() {
  wanted_ = core::wanted(state_, now());
  wanted_seq_ = state_.seq;
  wanted_pending_ = true;
}

// Under load memory is always ahead of the disk: what was wanted at one moment is performed when that
// moment is durable, and only then is the state asked again.
void CoreLoop::perform_if_durable() {
  if (!begun_ || !wanted_pending_ || durable_seq_ < wanted_seq_) return;
  wanted_pending_ = false;
  std::vector<core::Effect> effects;
  effects.swap(wanted_);
  if (!effects.empty()) crash_point("core-effects");
  seams_.perform(effects);
  if (state_.seq > wanted_seq_ && !wanted_pending_) {
    want();
    if (durable_seq_ >= wanted_seq_) boost::asio::post(io_, [this] { perform_if_durable(); });
  }
}

void CoreLoop::arm_timer() {
  timer_.cancel();
  const std::optional<Time> wake = core::next_wake(state_, cluster(), now());
  std::optional<Micros> rest;
  if (wake) rest = std::max(kTickLeast, *wake - now());
  if (options_.alarm) return options_.alarm(rest);
  if (!rest) return;
  timer_.expires_after(*rest);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

boost::asio::awaitable<Result<std::vector<v1::Event>>> CoreLoop::events_about(std::string subject) {
  using Page = Result<std::vector<v1::Event>>;
  std::vector<v1::Event> out;
  for (uint64_t from = 1;;) {
    // By pages, so that commits are not held up.
    std::function<Page(Journal&)> question = [subject, from](Journal& journal) {
      return journal.about(subject, from, kPage);
    };
    Page page = co_await ask_journal<Page>(std::move(question));
    if (!page.ok()) co_return page.status();
    for (v1::Event& event : *page) out.push_back(std::move(event));
    if (page->size() < kPage) co_return out;
    from = out.back().seq() + 1;
  }
}

boost::asio::awaitable<Result<v1::Run>> CoreLoop::past_run(std::string id) {
  using Page = Result<std::vector<v1::Event>>;
  std::function<Result<uint64_t>(Journal&)> begin = [id](Journal& journal) { return journal.queued_at(id); };
  const Result<uint64_t> first = co_await ask_journal<Result<uint64_t>>(std::move(begin));
  if (!first.ok()) co_return first.status();
  const Status none = not_found(fmt::format("no run '{}': `rekindle list` shows them", id));
  if (*first == 0) co_return none;
  const std::string job = id.substr(0, id.rfind('-'));
  core::PastRun past(state_, id);
  for (uint64_t from = *first; !past.over();) {
    std::function<Page(Journal&)> question = [job, from](Journal& journal) {
      return journal.about(job, from, kPage);
    };
    const Page page = co_await ask_journal<Page>(std::move(question));
    if (!page.ok()) co_return page.status();
    for (const v1::Event& event : *page) past.tell(event);
    if (page->size() < kPage) break;
    from = page->back().seq() + 1;
  }
  std::optional<v1::Run> run = past.run();
  if (!run) co_return none;
  co_return std::move(*run);
}

void CoreLoop::stop() {
  if (!journal_) return;
  timer_.cancel();
  if (state_.seq > snapshot_seq_) journal_->save_snapshot(core::to_snapshot(state_));
  journal_->stop();
  durable_seq_ = state_.seq;
  journal_.reset();
}

}  // namespace rekindle::coordinator
