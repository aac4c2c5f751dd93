#include "events/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "drift/streams/adwin.h"
#include "events/compare.h"
#include "events/label_sums.h"
#include "events/regret.h"

namespace rekindle::events {

namespace {

// Probabilities below one in a hundred count as one in a hundred: ADWIN needs a bounded number, and the
// tighter the bound the sooner it can tell.
constexpr double kFloor = 0.01;
const double kLossMax = -std::log(kFloor);
// The same for errors of numbers: beyond twice the spread of the training labels all are alike. In units of
// their variance.
constexpr double kErrorMax = 4;
constexpr int64_t kForgetUs = int64_t{60} * 24 * 3'600'000'000;  // of versions long out of service

double most(const dataio::LabelRule& rule) {
  return rule.regression() ? kErrorMax : kLossMax;
}

double clipped_loss(double label, double p) {
  return -std::log(std::clamp(label > 0.5 ? p : 1 - p, kFloor, 1.0));
}

// What a version's rows of a slot came to.
struct Errors {
  double loss = 0;  // of 1 at most a row
  double wrong = 0;
  int64_t rows = 0;
};

// Calls `with` (label, answer) for each row that has a label; for none where the scale is not known.
template <typename With>
void for_each_known(const LabelledRequest& request, const dataio::LabelRule& rule, double scale, With with) {
  if (!(scale > 0)) return;
  const size_t width = request.predictions.size() / request.labels.size();
  for (size_t i = 0; i < request.labels.size(); ++i) {
    // What was stored before the job said otherwise may not be a label of it.
    if (std::isnan(request.labels[i]) || !rule.sound(request.labels[i])) continue;
    with(request.labels[i], std::span(request.predictions).subspan(i * width, width));
  }
}

// A version's detector goes on from that of the version before it: one that is no better leaves the evidence
// as it stands, one that is better is told from what it replaced.
v1::DetectorState& detector_of(v1::JudgeState& state, uint64_t version) {
  const v1::DetectorState* before = nullptr;
  for (auto& detector : *state.mutable_detectors()) {
    if (detector.version() == version) return detector;
    if (before == nullptr || detector.last_us() >= before->last_us()) before = &detector;
  }
  v1::DetectorState made;
  made.set_version(version);
  if (before != nullptr) {
    made.set_adwin(before->adwin());
    made.set_begun_us(before->begun_us());
    if (before->has_wrong()) {
      made.mutable_wrong()->set_adwin(before->wrong().adwin());
      made.mutable_wrong()->set_begun_us(before->wrong().begun_us());
    }
  }
  return *state.add_detectors() = std::move(made);
}

// The likeliest class, or the set of classes, was another one.
bool is_wrong(const dataio::LabelRule& rule, double label, std::span<const double> answer) {
  if (answer.size() == rule.outputs()) return !rule.correct(label, answer);
  std::vector<double> with_newest(answer.begin(), answer.end());
  with_newest.resize(rule.outputs(), 0);
  return !rule.correct(label, with_newest);
}

void add_rows(const LabelledRequest& request, const ErrorTerms& terms, Errors& errors) {
  const dataio::LabelRule& rule = terms.rule;
  const double scale = rule.regression() ? terms.label_scale(request.version) : 1;
  for_each_known(request, rule, scale, [&](double label, std::span<const double> answer) {
    errors.loss += error_share(rule, label, answer, scale);
    if (!rule.regression() && is_wrong(rule, label, answer)) errors.wrong += 1;
    ++errors.rows;
  });
}

// One slot more of a stream whose items are at most 1; means are told in `unit`s.
template <typename State>  // v1::DetectorState: losses; v1::WrongState
Status feed(State& state, double item, double unit, const ErrorTerms& terms, int64_t slot_us) {
  const drift::AdwinTerms by{.delta = terms.delta, .clock = 1, .of_means = true};
  drift::Adwin adwin(by);
  if (!state.adwin().empty()) adwin = TRY(drift::Adwin::load(state.adwin(), by));
  const uint64_t before = adwin.width();
  const bool changed = adwin.update(item);
  if (adwin.width() == 1) state.set_begun_us(slot_us);
  if (changed) {
    // Slots without labels are no items: they lie between.
    const double apart = state.begun_us() == 0 || before == 0
                             ? static_cast<double>(terms.slot_us)
                             : static_cast<double>(slot_us - state.begun_us()) / static_cast<double>(before);
    state.set_changed_us(slot_us - static_cast<int64_t>(apart * static_cast<double>(adwin.newer() - 1)));
    state.set_before(adwin.before() * unit);
    state.set_after(adwin.after() * unit);
    state.set_bound(adwin.bound() * unit);
    state.set_risen(adwin.after() > adwin.before());
    state.set_since_us(slot_us);
  }
  state.set_adwin(adwin.save());
  return ok_status();
}

Status feed(v1::DetectorState& state, const Errors& errors, const ErrorTerms& terms, int64_t slot_us) {
  const auto rows = static_cast<double>(errors.rows);
  TRY_STATUS(feed(state, errors.loss / rows, most(terms.rule), terms, slot_us));
  if (!terms.rule.regression())
    TRY_STATUS(feed(*state.mutable_wrong(), errors.wrong / rows, 1, terms, slot_us));
  state.set_rows(state.rows() + errors.rows);
  state.set_last_us(slot_us);
  return ok_status();
}

// What one of the two streams says; `what` it is of.
template <typename State>
v1::Score score_of(const State& state, const v1::DetectorState& detector, const ErrorTerms& terms,
                   std::string_view what) {
  v1::Score score;
  score.set_detector("adwin");
  score.set_version(detector.version());
  score.set_rows(detector.rows());
  score.set_value(state.after() - state.before());
  score.set_threshold(state.bound());
  score.set_user_threshold(terms.delta);
  score.set_fired(state.risen());
  score.set_since_us(state.changed_us());
  if (state.since_us() == 0)
    score.set_reason(fmt::format("version {}: no change of {} in {} labelled rows", detector.version(), what,
                                 detector.rows()));
  else
    score.set_reason(fmt::format("version {}: {} went {} from {:.3f} to {:.3f} by {} (chance: {:.3f})",
                                 detector.version(), what, state.risen() ? "up" : "down", state.before(),
                                 state.after(), format_time(time_from_micros(state.since_us())),
                                 state.bound()));
  return score;
}

// Event time of the oldest request at or after `from_us`, or `otherwise`.
Result<int64_t> next_request_us(Database& db, const std::string& model, int64_t from_us, int64_t otherwise) {
  Query q = db.query("SELECT min(time_us) FROM requests WHERE model = ? AND time_us >= ?");
  if (!TRY(q.with(model, from_us).step()) || q.null(0)) return otherwise;
  return std::min(q.integer(0), otherwise);
}

}  // namespace

double bounded_loss(const dataio::LabelRule& rule, double label, std::span<const double> answer,
                    double scale) {
  switch (rule.kind()) {
    case v1::Label::MULTICLASS: {
      const auto number = static_cast<size_t>(label);
      return clipped_loss(1, number < answer.size() ? answer[number] : 0);
    }
    case v1::Label::MULTILABEL: {
      const auto set = static_cast<uint64_t>(label);
      double total = 0;
      for (size_t i = 0; i < rule.outputs(); ++i)
        total += clipped_loss(static_cast<double>((set >> i) & 1), i < answer.size() ? answer[i] : 0);
      return total / static_cast<double>(rule.outputs());
    }
    case v1::Label::REGRESSION: {
      const double off = (label - answer[0]) / scale;
      return std::min(off * off, kErrorMax);
    }
    default:
      return clipped_loss(label, answer[0]);
  }
}

void add_losses(const LabelledRequest& request, const dataio::LabelRule& rule, double scale,
                std::vector<double>& losses) {
  for_each_known(request, rule, scale, [&](double label, std::span<const double> answer) {
    losses.push_back(bounded_loss(rule, label, answer, scale));
  });
}

double error_share(const dataio::LabelRule& rule, double label, std::span<const double> answer,
                   double scale) {
  return bounded_loss(rule, label, answer, scale) / most(rule);
}

Status score_matured(Database& db, ModelLog& log, const ErrorTerms& terms, int64_t until_us,
                     const RowsApart& apart, Regret* regret) {
  const int64_t slot_us = terms.slot_us, matures_us = terms.matures_us;
  int64_t from = log.state.scored_until_us();
  while (from + slot_us <= until_us - matures_us) {
    const int64_t to = from + slot_us;
    auto requests = TRY(read_labelled(db, log.name, from, to, to + matures_us, regret != nullptr));
    const bool silent = requests.empty();
    std::erase_if(requests, apart.broken);
    TRY_STATUS(sum_labels(db, log, terms, from, requests));
    std::map<uint64_t, Errors> by_version;
    for (const auto& request : requests) {
      if (apart.doubted(request)) continue;
      add_rows(request, terms, by_version[request.version]);
    }
    for (const auto& [version, errors] : by_version)
      if (errors.rows > 0) TRY_STATUS(feed(detector_of(log.state, version), errors, terms, from));
    if (terms.compare) compare_versions(requests, terms, to, apart.doubted, log.state);
    if (regret != nullptr) TRY_STATUS(regret->see(from, requests, apart.doubted));
    from = to;
    if (silent) {
      // A silence is crossed in one stride.
      const int64_t next = TRY(next_request_us(db, log.name, from, until_us));
      from = std::max(from, from + (std::min(next, until_us - matures_us) - from) / slot_us * slot_us);
    }
  }
  log.state.set_scored_until_us(from);
  auto& comparisons = *log.state.mutable_comparisons();
  comparisons.erase(std::remove_if(comparisons.begin(), comparisons.end(),
                                   [&](const auto& c) { return c.until_us() < from - kForgetUs; }),
                    comparisons.end());
  auto& detectors = *log.state.mutable_detectors();
  detectors.erase(std::remove_if(detectors.begin(), detectors.end(),
                                 [&](const auto& d) { return d.last_us() < from - kForgetUs; }),
                  detectors.end());
  return ok_status();
}

v1::Score loss_score(const v1::DetectorState& state, const ErrorTerms& terms) {
  return score_of(state, state, terms,
                  terms.rule.regression() ? "squared error (of the training labels' variance)" : "log-loss");
}

v1::Score wrong_score(const v1::DetectorState& state, const ErrorTerms& terms) {
  v1::Score score = score_of(state.wrong(), state, terms, "the share of wrong answers");
  score.set_feature("wrong answers");
  return score;
}

}  // namespace rekindle::events
