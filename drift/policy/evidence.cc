#include "drift/policy/evidence.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text/cron.h"
#include "base/units.h"
#include "drift/policy/learned.h"
#include "drift/policy/words.h"

namespace rekindle::drift {
namespace {

using Hits = google::protobuf::RepeatedField<bool>;

double share_of(const v1::Score& score) {
  return score.value() / std::max(score.threshold(), 1e-12);
}

// An alarm that is on lasts until its score is below `clear` of the threshold.
bool over(const v1::Score& score, bool on, double clear) {
  return score.fired() || (on && score.value() > clear * score.threshold());
}

std::string window_words(double us) {
  return us <= 0 ? "nothing" : wait_words(us);
}

std::string feed_words(const v1::JudgedWindow& window) {
  if (window.breaches().empty()) return {};
  const v1::Breach& breach = window.breaches(0);
  return fmt::format("the feed is broken ({} of {}): ", breach.check(), breach.feature());
}

// Why the window cannot be compared with the reference, or nothing.
std::string unfit(const v1::Retrain& retrain, const v1::JudgedWindow& window) {
  const int64_t length = us(retrain.window());
  // A part of a week is not a week: its weekdays alone would look like drift.
  if (window.from_us() > window.until_us() - length)
    return fmt::format("{}version {} has {} of the window of {}", feed_words(window), window.version(),
                       window_words(static_cast<double>(window.until_us() - window.from_us())),
                       format_duration(Micros(length)));
  if (window.rows() < static_cast<int64_t>(retrain.min_rows()))
    return fmt::format("{} rows in the window, {} are needed", window.rows(), retrain.min_rows());
  return {};
}

class Asked {
 public:
  Asked(const v1::Retrain& retrain, const v1::JudgedWindow& window, const PolicyContext& context,
        v1::DecisionState& state)
      : retrain_(retrain),
        window_(window),
        context_(context),
        state_(state),
        before_(state.words().begin(), state.words().end()),
        unfit_(unfit(retrain, window)),
        // Old journals and tests say nothing of it.
        clear_(retrain.clear() > 0 ? retrain.clear() : 1),
        errors_watched_(std::any_of(retrain.when().begin(), retrain.when().end(), [](const v1::Trigger& one) {
          return one.has_quality() || one.has_regret();
        })) {
    // Hourly windows share nearly all their rows: hits are taken half a window apart, so that two of them
    // are two pieces of evidence.
    const bool asks = std::any_of(retrain.when().begin(), retrain.when().end(), [](const v1::Trigger& one) {
      return one.has_drift() || one.has_estimate();
    });
    takes_hit_ =
        asks && unfit_.empty() &&
        (state.hit_slot_us() == 0 || window.slot_us() - state.hit_slot_us() >= us(retrain.window()) / 2);
    if (takes_hit_) state.set_hit_slot_us(window.slot_us());
  }

  Told ask(const v1::Trigger& trigger) {
    Told told;
    told.weight = trigger.weight() > 0 ? trigger.weight() : 1;
    switch (trigger.kind_case()) {
      case v1::Trigger::kDrift:
        drift(told);
        break;
      case v1::Trigger::kQuality:
        quality(told);
        break;
      case v1::Trigger::kAge:
        age(trigger.age(), told);
        break;
      case v1::Trigger::kSchedule:
        schedule(trigger.schedule(), told);
        break;
      case v1::Trigger::kLabels:
        labels(trigger.labels(), told);
        break;
      case v1::Trigger::kEstimate:
        estimate(told);
        break;
      case v1::Trigger::kRegret:
        regret(told);
        break;
      case v1::Trigger::KIND_NOT_SET:
        break;
    }
    return told;
  }

 private:
  static void say(Told& told, v1::Cause cause, std::string_view name, bool fired, std::string reason) {
    told.cause = cause;
    told.word.set_trigger(std::string(name));
    told.word.set_fired(fired);
    told.word.set_reason(std::move(reason));
  }
  static void measure(Told& told, double value, double threshold) {
    told.word.set_value(value);
    told.word.set_threshold(threshold);
  }
  // Not by a wish for more rows, which is no alarm of a version that is no worse.
  bool alarmed(std::string_view trigger) const {
    return std::any_of(before_.begin(), before_.end(), [&](const v1::TriggerWord& word) {
      return word.trigger() == trigger && word.fired() && !word.for_more_rows();
    });
  }
  bool of_champion(const v1::Score& score) const {
    return score.version() == 0 || score.version() == window_.version();
  }

  // How often it was over its threshold of late, this window's hit among them where one is taken.
  uint32_t hits(Hits& hits, bool hit) const {
    if (takes_hit_) {
      hits.Add(hit);
      const int of = static_cast<int>(std::max<uint32_t>(retrain_.persistence().of(), 1));
      while (hits.size() > of) hits.erase(hits.begin());
    }
    return static_cast<uint32_t>(std::count(hits.begin(), hits.end(), true));
  }
  std::string count_words(uint32_t hits, int of) const {
    return fmt::format("{} of the last {} windows ({} of {} are needed)", hits, of,
                       retrain_.persistence().hits(), retrain_.persistence().of());
  }

  // The strongest: its share over its threshold decides. nullptr: there is none.
  template <typename Counts>
  const v1::Score* strongest(const Counts& counts) const {
    const v1::Score* best = nullptr;
    for (const auto& score : window_.drift())
      if (of_champion(score) && counts(score) && (best == nullptr || share_of(score) > share_of(*best)))
        best = &score;
    return best;
  }

  std::string drift_words(const v1::Score& best) const {
    if (!best.fired())
      return fmt::format("{} of {} is {:.3f}, not yet below {:.0f} % of {:.3f}, in {} rows", best.detector(),
                         best.feature(), best.value(), 100 * clear_, best.threshold(), best.rows());
    const auto fired = std::count_if(window_.drift().begin(), window_.drift().end(),
                                     [](const v1::Score& s) { return s.fired(); });
    std::string words = fmt::format("{} of {} is {:.3f}, over {:.3f}, in {} rows", best.detector(),
                                    best.feature(), best.value(), best.threshold(), best.rows());
    if (fired > 1) words += fmt::format(" (and {} other{})", fired - 1, fired == 2 ? "" : "s");
    return words;
  }

  void drift(Told& told) {
    compare(told);
    if (!told.word.fired())
      learn_more(told, v1::CAUSE_DRIFT, "drift", state_.moved_us(), state_.moved_version());
  }

  void compare(Told& told) {
    const auto tell = [&told](bool fired, std::string reason) {
      say(told, v1::CAUSE_DRIFT, "drift", fired, std::move(reason));
    };
    if (!unfit_.empty()) return tell(false, unfit_);
    const v1::Score* best =
        strongest([this](const v1::Score& score) { return over(score, state_.alarmed(), clear_); });
    state_.set_alarmed(best != nullptr);
    const uint32_t count = hits(*state_.mutable_drift_hits(), best != nullptr);
    // What has moved did so within the first of the windows that show it.
    if (takes_hit_) {
      if (best == nullptr)
        state_.set_alarm_us(0);
      else if (state_.alarm_us() == 0)
        state_.set_alarm_us(window_.from_us());
    }
    const std::string of = count_words(count, state_.drift_hits_size());
    if (const v1::Score* largest = strongest([](const v1::Score&) { return true; }))
      measure(told, largest->value(), largest->threshold());
    if (best == nullptr) return tell(false, fmt::format("no score is over its threshold; drift in {}", of));
    if (count < retrain_.persistence().hits())
      return tell(false, fmt::format("{}, but only in {}", drift_words(*best), of));
    tell(true, fmt::format("{}; drift in {}", drift_words(*best), of));
    if (news(state_.moved_us(), state_.alarm_us())) {
      state_.set_moved_us(state_.alarm_us());
      state_.set_moved_version(window_.version());
    }
    // Rows that are distributed otherwise may mean what they meant: where errors are watched, they say when
    // that has changed.
    if (!errors_watched_) changed(state_.alarm_us());
  }

  void quality(Told& told) {
    say(told, v1::CAUSE_QUALITY, "quality", false, "errors have not grown");
    // Of losses first, then of how often it was wrong.
    const v1::Score* teller = nullptr;
    for (const auto& score : window_.quality())
      if (score.version() == window_.version() && (teller == nullptr || (score.fired() && !teller->fired())))
        teller = &score;
    if (teller != nullptr) {
      measure(told, teller->value(), teller->threshold());
      if (teller->fired()) {
        told.gain = teller->value();
        changed(teller->since_us());
        return say(told, v1::CAUSE_QUALITY, "quality", true, teller->reason());
      }
    }
    learn_more(told, v1::CAUSE_QUALITY, "quality", state_.changed_us(), state_.changed_version());
    if (!told.word.fired()) learn_all(told, v1::CAUSE_QUALITY, "quality");
  }

  void age(const google::protobuf::Duration& limit, Told& told) const {
    const int64_t age = window_.clock_us() - context_.champion_as_of_us;
    const std::string most = format_duration(Micros(us(limit)));
    if (context_.champion_as_of_us == 0)
      return say(told, v1::CAUSE_AGE, "age", false, "nobody knows how old the version in service is");
    measure(told, static_cast<double>(age) / kDay, static_cast<double>(us(limit)) / kDay);
    if (age >= us(limit))
      return say(told, v1::CAUSE_AGE, "age", true,
                 fmt::format("version {} knows nothing after {}: older than {}", context_.champion,
                             when(context_.champion_as_of_us), most));
    say(told, v1::CAUSE_AGE, "age", false,
        fmt::format("version {} is not yet older than {}", context_.champion, most));
  }

  void schedule(const v1::ScheduleTrigger& schedule, Told& told) {
    if (state_.scheduled_us() == 0) state_.set_scheduled_us(window_.clock_us());
    const int64_t since = state_.scheduled_us(), waited = window_.clock_us() - since;
    if (schedule.has_every()) {
      const int64_t every = us(schedule.every());
      measure(told, static_cast<double>(waited) / kDay, static_cast<double>(every) / kDay);
      return say(told, v1::CAUSE_SCHEDULE, "schedule", waited >= every,
                 waited >= every
                     ? fmt::format("{} have passed since {}", format_duration(Micros(every)), when(since))
                     : fmt::format("the schedule's next time is {}", when(since + every)));
    }
    const Result<Cron> cron = Cron::parse(schedule.cron());
    if (!cron.ok()) return say(told, v1::CAUSE_SCHEDULE, "schedule", false, cron.status().message());
    const auto due = cron->next(time_from_micros(since), time_from_micros(window_.clock_us()));
    measure(told, due ? 1 : 0, 1);
    say(told, v1::CAUSE_SCHEDULE, "schedule", due.has_value(),
        due ? fmt::format("due at {} (\"{}\")", format_time(*due), schedule.cron())
            : fmt::format("no time of \"{}\" has come since {}", schedule.cron(), when(since)));
  }

  void labels(uint64_t needed, Told& told) const {
    measure(told, static_cast<double>(context_.new_labels), static_cast<double>(needed));
    say(told, v1::CAUSE_LABELS, "labels", context_.new_labels >= needed,
        fmt::format("{} labelled rows have settled since those that version {} knows, {} are {}",
                    context_.new_labels, context_.champion, needed,
                    context_.new_labels >= needed ? "enough" : "needed"));
  }

  void estimate(Told& told) {
    const auto tell = [&told](bool fired, std::string reason) {
      say(told, v1::CAUSE_ESTIMATE, "estimate", fired, std::move(reason));
    };
    if (!unfit_.empty()) return tell(false, unfit_);
    const v1::Score& score = window_.estimate();
    if (!window_.has_estimate() || !of_champion(score))
      return tell(false, "the version in service does not say what it lost on its holdout");
    measure(told, score.value(), score.threshold());
    const auto& taken = state_.estimate_hits();
    const bool hit = over(score, !taken.empty() && taken[taken.size() - 1], clear_);
    const uint32_t count = hits(*state_.mutable_estimate_hits(), hit);
    const std::string of = count_words(count, state_.estimate_hits_size());
    if (!hit || count < retrain_.persistence().hits())
      return tell(false, fmt::format("{}; over it in {}", score.reason(), of));
    told.gain = score.value();
    tell(true, fmt::format("{}; over it in {}", score.reason(), of));
  }

  void regret(Told& told) const {
    const v1::Score& score = window_.regret();
    if (!window_.has_regret() || !of_champion(score))
      return say(told, v1::CAUSE_REGRET, "regret", false, "its shadow has seen none of its labels yet");
    measure(told, score.value(), score.threshold());
    // By itself it is no worse any more: what is left of the sum is what its shadow has learned.
    const bool worse = score.since_us() != 0;
    const bool fired = over(score, worse && alarmed("regret"), clear_);
    if (fired) {
      told.gain = score.value();
      changed(score.since_us());
    }
    say(told, v1::CAUSE_REGRET, "regret", fired, score.reason());
    if (!fired) learn_more(told, v1::CAUSE_REGRET, "regret", state_.changed_us(), state_.changed_version());
    if (!told.word.fired()) learn_all(told, v1::CAUSE_REGRET, "regret");
  }

  // A version that was made when the changed world was new errs as it did from its first day on: to itself
  // nothing has become worse.
  void learn_more(Told& told, v1::Cause cause, std::string_view name, int64_t from_us,
                  uint64_t noticed_version) const {
    if (!outgrown(context_, from_us, noticed_version)) return;
    const auto of = [from_us](int64_t until_us) {
      return window_words(static_cast<double>(until_us - from_us));
    };
    say(told, cause, name, true,
        fmt::format("version {} has learned from {} of the world since {}, a run would learn from {}",
                    context_.champion, of(context_.learned_until_us), when(from_us),
                    of(context_.learns_until_us)));
    told.word.set_for_more_rows(context_.learned_until_us > from_us);
  }

  // Nothing has changed, and a version of few rows errs as it did from its first day on.
  void learn_all(Told& told, v1::Cause cause, std::string_view name) const {
    if (!outgrown_unchanged(context_, state_.changed_us(), state_.rejections())) return;
    const auto of = [](int64_t from_us, int64_t until_us) {
      return window_words(static_cast<double>(until_us - from_us));
    };
    say(told, cause, name, true,
        fmt::format("version {} has learned from {} of rows, a run would learn from {} of a world that has "
                    "not changed since",
                    context_.champion, of(context_.learned_from_us, context_.learned_until_us),
                    of(context_.learns_from_us, context_.learns_until_us)));
    told.word.set_for_more_rows(true);
  }

  bool news(int64_t known_us, int64_t since_us) const {
    return since_us > known_us && !same_change(context_, window_.clock_us(), known_us, since_us);
  }
  void changed(int64_t since_us) const {
    if (!news(state_.changed_us(), since_us)) return;
    state_.set_changed_us(since_us);
    state_.set_changed_version(window_.version());
  }

  static constexpr double kDay = 24.0 * kUsPerHour;

  const v1::Retrain& retrain_;
  const v1::JudgedWindow& window_;
  const PolicyContext& context_;
  v1::DecisionState& state_;
  const std::vector<v1::TriggerWord> before_;
  const std::string unfit_;
  const double clear_;
  const bool errors_watched_;
  bool takes_hit_ = false;
};

}  // namespace

std::vector<Told> ask(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                      const PolicyContext& context, v1::DecisionState& state) {
  Asked asked(retrain, window, context, state);
  std::vector<Told> all;
  for (const auto& trigger : retrain.when()) all.push_back(asked.ask(trigger));
  return all;
}

void forget_evidence(v1::DecisionState& state) {
  state.clear_drift_hits();
  state.clear_estimate_hits();
  state.clear_hit_slot_us();
  state.clear_alarmed();
  state.clear_alarm_us();
}

}  // namespace rekindle::drift
