#include "events/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "drift/feed/labels.h"
#include "drift/profile.h"
#include "drift/psi.h"
#include "drift/shadow/shadow.h"
#include "drift/unlabelled/expected_loss.h"
#include "events/errors.h"
#include "events/regret.h"
#include "proto/time.h"

namespace rekindle::events {

namespace {

// Share of a window's rows that may be missing from it for a broken feed.
constexpr double kHolesMax = 0.1;

// The spec as a judgement reads it.
struct Terms {
  int64_t slot, lateness, matures, window, memory;
  int64_t min_rows;
  v1::DriftTrigger drift;
  std::optional<v1::EstimateTrigger> estimate;
  std::optional<v1::RegretTrigger> regret;
  double delta = 0.002;
  std::vector<drift::FeedColumn> columns;
};

int64_t us(const google::protobuf::Duration& d) {
  return from_proto(d).count();
}

Terms terms_of(const v1::JobSpec& spec) {
  Terms t;
  const v1::Data& data = spec.data();
  t.slot = us(data.slot());
  t.lateness = us(data.lateness());
  t.matures = us(data.label().matures());
  // A job that is only watched is judged by the defaults of the spec.
  constexpr int64_t kWeek = int64_t{7} * 24 * 3'600'000'000;
  t.window = us(spec.retrain().window()) > 0 ? us(spec.retrain().window()) : kWeek;
  // Twice the longest look back: that a version is young shows in the slots before its window.
  t.memory = 2 * std::max<int64_t>(t.window, drift::kFeedMemory.count());
  t.min_rows = spec.retrain().min_rows() > 0 ? static_cast<int64_t>(spec.retrain().min_rows()) : 1000;
  t.drift.set_psi(0.25);
  t.drift.set_false_alarms(0.01);
  for (const auto& trigger : spec.retrain().when()) {
    if (trigger.has_drift()) t.drift = trigger.drift();
    if (trigger.has_quality()) t.delta = trigger.quality().delta();
    if (trigger.has_estimate()) t.estimate = trigger.estimate();
    if (trigger.has_regret()) t.regret = trigger.regret();
  }
  for (const auto& name : data.numeric()) t.columns.push_back({name, false});
  for (const auto& name : data.categorical()) t.columns.push_back({name, true});
  return t;
}

int64_t floor_to(int64_t time_us, int64_t slot_us) {
  return to_micros(drift::slot_start(time_from_micros(time_us), Micros(slot_us)));
}

Status load_slots(Database& db, ModelLog& log, const Terms& t) {
  const int64_t from_us = log.state.slot_us() == 0 ? 0 : log.state.slot_us() - t.memory;
  log.slots.clear();
  log.health.clear();
  Query q = db.query("SELECT slot_us, version, node, counts FROM counts WHERE model = ? AND slot_us >= ?");
  q.with(log.name, from_us);
  while (TRY(q.step())) {
    const std::string_view bytes = q.bytes(3);
    v1::SlotCounts& counts =
        log.slots[q.integer(0)][{static_cast<uint64_t>(q.integer(1)), std::string(q.bytes(2))}];
    if (!counts.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("the counts of slot {} are damaged", q.integer(0)));
  }
  log.judging = true;
  return ok_status();
}

// The slot to be judged next, sealed or not. A silence longer than the window is passed over.
std::optional<int64_t> next_slot(const ModelLog& log, const Terms& t) {
  if (log.slots.empty()) return std::nullopt;
  if (log.state.slot_us() == 0) return floor_to(log.slots.begin()->first, t.slot);
  const int64_t next = log.state.slot_us() + t.slot;
  auto upcoming = log.slots.lower_bound(next);
  if (upcoming != log.slots.begin() && next - std::prev(upcoming)->first <= t.window) return next;
  if (upcoming == log.slots.end()) return std::nullopt;
  return floor_to(upcoming->first, t.slot);
}

class SlotJudge {
 public:
  SlotJudge(Database& db, ModelLog& log, const JudgeInput& input, const Terms& terms, int64_t slot_us)
      : db_(db), log_(log), input_(input), t_(terms), slot_(slot_us), until_(slot_us + terms.slot) {
    const auto it = input.profiles.find(input.champion);
    profile_ = input.champion != 0 && it != input.profiles.end() ? it->second : nullptr;
  }

  Result<v1::JudgedWindow> judge() {
    if (log_.state.scored_until_us() == 0) log_.state.set_scored_until_us(slot_);
    log_.slots.erase(log_.slots.begin(), log_.slots.lower_bound(until_ - t_.memory));
    log_.health.erase(log_.health.begin(), log_.health.lower_bound(until_ - drift::kFeedMemory.count()));
    log_.state.clear_suspects();
    if (profile_ != nullptr) check_feeds();
    const ErrorTerms terms{dataio::LabelRule(input_.spec->data().label()),
                           t_.delta,
                           t_.slot,
                           t_.matures,
                           [this](uint64_t version) { return label_scale(version); },
                           input_.spec->serve().has_analysis(),
                           t_.columns};
    const int64_t scored_before = log_.state.scored_until_us();
    std::optional<Regret> regret;
    if (t_.regret && profile_ != nullptr)
      regret.emplace(*log_.state.mutable_shadow(), terms, input_.champion, *profile_, *t_.regret, t_.window);
    TRY_STATUS(score_matured(db_, log_, terms, until_, rows_apart(), regret ? &*regret : nullptr));
    if (profile_ != nullptr) check_labels();
    v1::JudgedWindow window;
    window.set_model(log_.name);
    window.set_slot_us(slot_);
    window.set_until_us(until_);
    window.set_clock_us(until_ + t_.lateness);
    window.set_version(input_.champion);
    window.set_from_us(whole_since(champion_since()));
    if (profile_ != nullptr) TRY_STATUS(score_window(window));
    for (const auto& detector : log_.state.detectors()) *window.add_quality() = loss_score(detector, terms);
    for (const auto& detector : log_.state.detectors())
      if (detector.has_wrong()) *window.add_quality() = wrong_score(detector, terms);
    for (const auto& comparison : log_.state.comparisons())
      if (comparison.until_us() > scored_before) *window.add_comparisons() = comparison;
    if (regret && log_.state.shadow().compared() > 0)
      *window.mutable_regret() = drift::regret_score(log_.state.shadow(), *t_.regret);
    window.set_shadow_rows(log_.state.shadow().rows());
    for (const auto& breach : log_.state.breaches())
      if (!released(breach)) *window.add_breaches() = breach;
    log_.state.set_slot_us(slot_);
    return window;
  }

 private:
  bool released(const v1::Breach& breach) const {
    return std::any_of(input_.quarantines.begin(), input_.quarantines.end(), [&](const v1::Quarantine& q) {
      const v1::Breach& b = q.breach();
      return q.state() == v1::Quarantine::RELEASED && b.check() == breach.check() &&
             b.feature() == breach.feature() && b.source() == breach.source() &&
             b.from_us() == breach.from_us();
    });
  }

  // Of the version's own training rows; of a version whose profile is not at hand the champion's.
  double label_scale(uint64_t version) const {
    const auto it = input_.profiles.find(version);
    if (it != input_.profiles.end()) return it->second->label_scale();
    return profile_ != nullptr ? profile_->label_scale() : 0;
  }

  template <typename Counts>
  bool any_breach(Counts counts) const {
    const auto any = [&](const auto& breaches) {
      return std::any_of(breaches.begin(), breaches.end(),
                         [&](const v1::Breach& b) { return counts(b) && !released(b); });
    };
    return any(log_.state.breaches()) || any(log_.state.ended());
  }
  bool broken(int64_t time_us, std::string_view node) const {
    return any_breach([&](const v1::Breach& b) { return !b.of_labels() && covers(b, time_us, node, {}); });
  }
  // The checks of labels must see what they have found, to know how long it lasts; the detectors must not.
  RowsApart rows_apart() const {
    const auto of = [this](bool by_labels) {
      return [this, by_labels](const LabelledRequest& r) {
        return any_breach([&](const v1::Breach& b) {
          return drift::found_by_labels(b) == by_labels && covers(b, r.time_us, r.node, r.labelled_by);
        });
      };
    };
    return {of(false), of(true)};
  }

  // Start of what the window may hold: after the newest slot that other versions mostly answered.
  int64_t champion_since() const {
    int64_t since = until_;
    for (auto it = log_.slots.lower_bound(until_); it != log_.slots.begin();) {
      --it;
      if (it->first < until_ - t_.window) break;
      int64_t own = 0, all = 0;
      for (const auto& [key, counts] : it->second) {
        all += counts.rows();
        if (key.first == input_.champion) own += counts.rows();
      }
      if (2 * own < all) return since;
      if (all > 0) since = it->first;
      if (it == log_.slots.begin()) return std::max(since, until_ - t_.window);
    }
    return until_ - t_.window;
  }

  // Rows of a broken feed are left out. Where they are many, what is left is no whole window: its hours
  // and weekdays alone would look like drift. It then begins anew after the newest of them.
  int64_t whole_since(int64_t since) const {
    int64_t rows = 0, out = 0, newest = since;
    for (auto it = log_.slots.lower_bound(since); it != log_.slots.end() && it->first < until_; ++it)
      for (const auto& [key, counts] : it->second) {
        if (key.first != input_.champion) continue;
        rows += counts.rows();
        if (!broken(it->first, key.second)) continue;
        out += counts.rows();
        newest = std::min(it->first + t_.slot, until_);
      }
    return static_cast<double>(out) > kHolesMax * static_cast<double>(rows) ? newest : since;
  }

  const std::map<std::string, drift::SlotHealth>& health(int64_t slot_us, const SlotParts& parts) {
    auto [it, made] = log_.health.try_emplace(slot_us);
    if (!made) return it->second;
    for (const auto& [key, counts] : parts) {
      if (counts.rows() == 0) continue;
      const auto profile = input_.profiles.find(key.first);
      drift::SlotHealth of =
          drift::health_of(counts, profile == input_.profiles.end() ? nullptr : profile->second, t_.columns);
      of.slot_us = slot_us;
      const auto [at, first] = it->second.try_emplace(key.second, of);
      if (!first) merge(at->second, of);
    }
    return it->second;
  }

  static std::vector<v1::Breach> of_source(const google::protobuf::RepeatedPtrField<v1::Breach>& breaches,
                                           const std::string& source) {
    std::vector<v1::Breach> out;
    for (const auto& breach : breaches)
      if (breach.source() == source && !drift::found_by_labels(breach)) out.push_back(breach);
    return out;
  }

  drift::Findings check(const std::vector<drift::SlotHealth>& slots, const std::string& source,
                        const std::vector<drift::SlotHealth>& whole) {
    return check_feed(*profile_, t_.columns, slots, Micros(t_.slot), source,
                      of_source(log_.state.breaches(), source), of_source(log_.state.ended(), source), whole);
  }

  // All nodes together see what no node alone has the rows for; a node alone is named when others are sound.
  void check_feeds() {
    std::map<std::string, std::vector<drift::SlotHealth>> by_node;
    std::vector<drift::SlotHealth> all;
    for (auto it = log_.slots.lower_bound(until_ - drift::kFeedMemory.count());
         it != log_.slots.end() && it->first < until_; ++it) {
      bool first = true;
      for (const auto& [node, of] : health(it->first, it->second)) {
        by_node[node].push_back(of);
        if (first)
          all.push_back(of);
        else
          merge(all.back(), of);
        first = false;
      }
    }
    drift::Findings whole = check(all, "", {});
    std::vector<drift::Findings> nodes;
    if (by_node.size() > 1)
      for (const auto& [node, slots] : by_node) nodes.push_back(check(slots, node, all));
    std::vector<const v1::Breach*> open;
    for (const auto& breach : log_.state.breaches()) open.push_back(&breach);
    remember(drift::attribute(std::move(whole), std::move(nodes), open), false);
  }

  void check_labels() {
    const auto of = [](const auto& breaches) {
      std::vector<v1::Breach> out;
      std::copy_if(breaches.begin(), breaches.end(), std::back_inserter(out), drift::found_by_labels);
      return out;
    };
    const std::vector<v1::LabelSums> sums(log_.state.labels().begin(), log_.state.labels().end());
    remember(drift::check_labels(sums, input_.spec->data().label().column(), t_.columns, Micros(t_.slot),
                                 of(log_.state.breaches()), of(log_.state.ended())),
             true);
  }

  // Takes the place of what the checks of labels, or the others, had found.
  void remember(drift::Findings found, bool by_labels) {
    std::vector<v1::Breach>& now = found.breaches;
    for (const auto& before : log_.state.breaches())
      if (drift::found_by_labels(before) != by_labels) now.push_back(before);
    const auto same = [](const v1::Breach& a, const v1::Breach& b) {
      return a.check() == b.check() && a.feature() == b.feature() && a.source() == b.source() &&
             a.from_us() == b.from_us();
    };
    auto& ended = *log_.state.mutable_ended();
    for (const auto& before : log_.state.breaches())
      if (std::none_of(now.begin(), now.end(), [&](const auto& b) { return same(before, b); }))
        *ended.Add() = before;
    // Labels mature later than counts: what has ended stays known until both are past it.
    const int64_t horizon = until_ - t_.memory - t_.matures;
    ended.erase(
        std::remove_if(ended.begin(), ended.end(), [&](const auto& b) { return b.until_us() <= horizon; }),
        ended.end());
    log_.state.clear_breaches();
    for (auto& breach : now) *log_.state.add_breaches() = std::move(breach);
    for (auto& suspect : found.suspects) *log_.state.add_suspects() = std::move(suspect);
  }

  Status score_window(v1::JudgedWindow& window) {
    std::vector<std::vector<int64_t>> sums;
    for (const auto& feature : profile_->features()) sums.emplace_back(feature.counts_size(), 0);
    std::vector<int64_t> prediction(static_cast<size_t>(profile_->prediction().counts_size()), 0);
    int64_t rows = 0;
    for (auto it = log_.slots.lower_bound(window.from_us()); it != log_.slots.end() && it->first < until_;
         ++it)
      for (const auto& [key, counts] : it->second) {
        if (key.first != input_.champion || broken(it->first, key.second)) continue;
        rows += counts.rows();
        for (size_t i = 0; i < sums.size(); ++i)
          add(profile_->features(static_cast<int>(i)), counts, i, sums[i]);
        add_all(counts.prediction(), prediction);
      }
    window.set_rows(rows);
    if (t_.estimate) {
      if (auto score = drift::expected_loss(*profile_, prediction, *t_.estimate, t_.min_rows)) {
        score->set_version(input_.champion);
        *window.mutable_estimate() = *std::move(score);
      }
    }
    std::vector<drift::FeatureWindow> features;
    for (size_t i = 0; i < sums.size(); ++i)
      features.push_back({&profile_->features(static_cast<int>(i)), std::move(sums[i])});
    if (profile_->has_prediction()) features.push_back({&profile_->prediction(), std::move(prediction)});
    for (auto& score : drift::psi_scores(features, t_.drift, t_.min_rows))
      *window.add_drift() = std::move(score);
    for (auto& score : *window.mutable_drift()) score.set_version(input_.champion);
    return ok_status();
  }

  // Nodes list features in the profile's order; one that does not is searched.
  static void add(const v1::FeatureProfile& profile, const v1::SlotCounts& counts, size_t at,
                  std::vector<int64_t>& sum) {
    const int hint = static_cast<int>(at);
    if (hint < counts.features_size() && counts.features(hint).name() == profile.name())
      return add_all(counts.features(hint), sum);
    for (const auto& feature : counts.features())
      if (feature.name() == profile.name()) return add_all(feature, sum);
  }
  // Counts over other bins than the profile's are not comparable: the schema check names them.
  static void add_all(const v1::FeatureCounts& counts, std::vector<int64_t>& sum) {
    if (static_cast<size_t>(counts.counts_size()) != sum.size()) return;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += counts.counts(static_cast<int>(i));
  }

  Database& db_;
  ModelLog& log_;
  const JudgeInput& input_;
  const Terms& t_;
  int64_t slot_, until_;
  const v1::Profile* profile_ = nullptr;
};

Result<std::optional<v1::JudgedWindow>> stored_judgement(Database& db, const std::string& model,
                                                         int64_t after_us) {
  Query q =
      db.query("SELECT judged FROM judgements WHERE model = ? AND slot_us > ? ORDER BY slot_us LIMIT 1");
  if (!TRY(q.with(model, after_us).step())) return std::optional<v1::JudgedWindow>();
  v1::JudgedWindow window;
  const std::string_view bytes = q.bytes(0);
  if (!window.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return data_loss(fmt::format("a judgement of model '{}' is damaged", model));
  return std::optional(std::move(window));
}

// A replay of the past took over (or ended): what was judged belongs to another history.
Status start_over(Database& db, ModelLog& log) {
  Transaction tx = TRY(Transaction::begin(db));
  TRY_STATUS(db.query("DELETE FROM judges WHERE model = ?").with(log.name).run());
  TRY_STATUS(db.query("DELETE FROM judgements WHERE model = ?").with(log.name).run());
  TRY_STATUS(tx.commit());
  log.state.Clear();
  log.judging = false;
  return ok_status();
}

Status save_judgement(Database& db, const ModelLog& log, const v1::JudgedWindow& window, int64_t after_us) {
  Transaction tx = TRY(Transaction::begin(db, Transaction::Sync::kWithNext));
  const std::string state = log.state.SerializeAsString(), judged = window.SerializeAsString();
  TRY_STATUS(db.query("INSERT OR REPLACE INTO judges (model, state) VALUES (?, ?)")
                 .with(log.name, Query::blob(state))
                 .run());
  TRY_STATUS(db.query("INSERT OR REPLACE INTO judgements (model, slot_us, judged) VALUES (?, ?, ?)")
                 .with(log.name, window.slot_us(), Query::blob(judged))
                 .run());
  TRY_STATUS(
      db.query("DELETE FROM judgements WHERE model = ? AND slot_us <= ?").with(log.name, after_us).run());
  return tx.commit();
}

}  // namespace

bool covers(const v1::Breach& breach, int64_t time_us, std::string_view node, std::string_view labelled_by) {
  return breach.from_us() <= time_us && time_us < breach.until_us() &&
         (breach.source().empty() || breach.source() == (breach.of_labels() ? labelled_by : node));
}

bool undecided(const v1::JudgeState& state, int64_t until_us, int64_t watermark_us) {
  // A stream that has fallen silent decides nothing any more.
  const auto fresh = [&](const v1::Breach& b) {
    return watermark_us < b.until_us() + drift::kFeedMemory.count();
  };
  return std::any_of(state.suspects().begin(), state.suspects().end(),
                     [&](const v1::Breach& b) { return b.from_us() < until_us && fresh(b); }) ||
         std::any_of(state.breaches().begin(), state.breaches().end(), [&](const v1::Breach& b) {
           return b.from_us() < until_us && b.until_us() < until_us && fresh(b);
         });
}

Result<int64_t> settle_until(Database& db, ModelLog& log, const JudgeInput& input) {
  const Terms terms = terms_of(*input.spec);
  std::optional<int64_t> next;
  if (input.after_slot_us < log.state.slot_us() && log.state.slot_us() <= input.watermark_us + terms.memory) {
    const auto stored = TRY(stored_judgement(db, log.name, input.after_slot_us));
    if (stored) next = stored->slot_us();
  }
  if (!next) {
    if (!log.judging) TRY_STATUS(load_slots(db, log, terms));
    next = next_slot(log, terms);
  }
  return next ? std::min(input.watermark_us, *next + terms.slot) : input.watermark_us;
}

Result<std::optional<v1::JudgedWindow>> judge_next(Database& db, ModelLog& log, const JudgeInput& input) {
  const Terms terms = terms_of(*input.spec);
  if (terms.slot <= 0) return invalid_argument("the job spec is not resolved: its time slot has no length");
  int64_t after = input.after_slot_us;
  if (log.state.slot_us() > input.watermark_us + terms.memory) TRY_STATUS(start_over(db, log));
  if (after > input.watermark_us + terms.memory) after = 0;
  if (after < log.state.slot_us()) {
    std::optional<v1::JudgedWindow> stored = TRY(stored_judgement(db, log.name, after));
    if (stored) return stored;
  }
  if (!log.judging) TRY_STATUS(load_slots(db, log, terms));
  while (true) {
    const std::optional<int64_t> slot = next_slot(log, terms);
    if (!slot || *slot + terms.slot > input.watermark_us) return std::optional<v1::JudgedWindow>();
    v1::JudgedWindow window = TRY(SlotJudge(db, log, input, terms, *slot).judge());
    TRY_STATUS(save_judgement(db, log, window, after));
    // Slots up to `after` were judged before, but that was lost with the power: catch up.
    if (*slot > after) return std::optional(std::move(window));
  }
}

}  // namespace rekindle::events
