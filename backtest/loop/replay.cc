#include "backtest/loop/replay.h"

#include <algorithm>

#include "proto/time.h"
#include "registry/aliases.h"

namespace rekindle::backtest {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

class Player {
 public:
  Player(Coordinator& coordinator, Node& node, const v1::JobSpec& spec, const dataio::history::Rows& rows)
      : coordinator_(coordinator),
        node_(node),
        rows_(rows),
        slot_us_(from_proto(spec.data().slot()).count()),
        labels_(rows, from_proto(spec.data().label().matures()).count(), slot_us_) {}

  Status play(int64_t start_us) {
    if (next_ < rows_.slots.size() && rows_.slots[next_].start_us == start_us) {
      const dataio::history::Slot& slot = rows_.slots[next_++];
      for (const auto& [version, requests] : TRY(node_.answer(slot)))
        coordinator_.note_answers(version, requests);
      for (const dataio::history::Group& group : slot.groups) labels_.queue(group);
    }
    if (const auto due = labels_.take(start_us); !due.empty()) TRY_STATUS(node_.label(due));
    TRY_STATUS(coordinator_.advance(start_us + slot_us_));
    return node_.follow(coordinator_.model().plan());
  }

  bool under_way() const {
    const core::State& state = coordinator_.state();
    return !state.working.empty() || core::queued_count(state) > 0;
  }

  std::vector<Triggered> triggered() const {
    std::vector<Triggered> out;
    for (const auto& [id, run] : coordinator_.state().runs) {
      if (run.cause() == v1::CAUSE_MANUAL || run.cause() == v1::CAUSE_UNSPECIFIED) continue;
      Triggered one{id.value,
                    lower(v1::Cause_Name(run.cause()).substr(6)),
                    run.cause_detail(),
                    run.as_of_us(),
                    run.state() == v1::FAILED_RUN ? "failed" : lower(v1::RunState_Name(run.state())),
                    run.reason(),
                    run.version(),
                    false,
                    0};
      if (const uint64_t again = reused(run); again > 0) {
        one.reused = true;
        one.version = again;
      }
      const auto& versions = node_.versions();
      // What serves again has served before.
      const auto asked = std::lower_bound(rows_.times.begin(), rows_.times.end(), run.as_of_us());
      const auto first =
          std::find(versions.begin() + (asked - rows_.times.begin()), versions.end(), one.version);
      if (one.version > 0 && first != versions.end())
        one.serving_us = rows_.times[static_cast<size_t>(first - versions.begin())];
      out.push_back(std::move(one));
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const Triggered& a, const Triggered& b) { return a.as_of_us < b.as_of_us; });
    return out;
  }

  int64_t slot_us() const { return slot_us_; }

 private:
  // The version that a run has found to fit the present; 0: it has trained one, or found none.
  uint64_t reused(const v1::Run& run) const {
    if (run.state() != v1::COMPLETED) return 0;
    const v1::Version* known = registry::version_of_manifest(coordinator_.model(), run.outcome().manifest());
    return known ? known->number() : 0;
  }

  Coordinator& coordinator_;
  Node& node_;
  const dataio::history::Rows& rows_;
  int64_t slot_us_;
  dataio::history::Labels labels_;
  size_t next_ = 0;
};

}  // namespace

Result<Replayed> replay(Coordinator& coordinator, Node& node, const v1::JobSpec& spec,
                        const dataio::history::Rows& rows, Micros run_takes, const Progress& progress) {
  Player player(coordinator, node, spec, rows);
  Replayed out;
  out.from_us = rows.slots.front().start_us;
  out.until_us = rows.slots.back().start_us + player.slot_us();
  TRY_STATUS(coordinator.begin_replay(out.from_us, run_takes));
  TRY_STATUS(node.follow(coordinator.model().plan()));
  int64_t clock = out.from_us;
  for (; clock < out.until_us; clock += player.slot_us()) {
    TRY_STATUS(player.play(clock));
    progress(static_cast<double>(clock - out.from_us) / static_cast<double>(out.until_us - out.from_us),
             clock);
  }
  // What was triggered near the end still takes its time.
  for (; player.under_way(); clock += player.slot_us()) TRY_STATUS(player.play(clock));
  out.runs = player.triggered();
  return out;
}

}  // namespace rekindle::backtest
