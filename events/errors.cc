#include "events/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "drift/adwin.h"

namespace rekindle::events {

namespace {

// Probabilities below one in a hundred count as one in a hundred: ADWIN needs a bounded number, and the
// tighter the bound the sooner it can tell.
constexpr double kFloor = 0.01;
const double kLossMax = -std::log(kFloor);
constexpr int64_t kForgetUs = int64_t{60} * 24 * 3'600'000'000;  // detectors of versions long out of service

double clipped_loss(double label, double p) {
  return -std::log(std::clamp(label > 0.5 ? p : 1 - p, kFloor, 1.0)) / kLossMax;
}

struct Mean {
  double sum = 0;
  int64_t rows = 0;
};

v1::DetectorState& detector_of(v1::JudgeState& state, uint64_t version) {
  for (auto& detector : *state.mutable_detectors())
    if (detector.version() == version) return detector;
  v1::DetectorState& made = *state.add_detectors();
  made.set_version(version);
  return made;
}

Status feed(v1::DetectorState& state, const Mean& mean, double delta, int64_t slot_us) {
  drift::Adwin adwin(delta);
  if (!state.adwin().empty()) adwin = TRY(drift::Adwin::load(state.adwin()));
  if (adwin.update(mean.sum / static_cast<double>(mean.rows))) {
    state.set_before(adwin.before() * kLossMax);
    state.set_after(adwin.after() * kLossMax);
    state.set_bound(adwin.bound() * kLossMax);
    state.set_risen(adwin.after() > adwin.before());
    state.set_since_us(slot_us);
  }
  state.set_adwin(adwin.save());
  state.set_rows(state.rows() + mean.rows);
  state.set_last_us(slot_us);
  return ok_status();
}

// Event time of the oldest request at or after `from_us`, or `otherwise`.
Result<int64_t> next_request_us(Database& db, const std::string& model, int64_t from_us, int64_t otherwise) {
  Query q = db.query("SELECT min(time_us) FROM requests WHERE model = ? AND time_us >= ?");
  if (!TRY(q.with(model, from_us).step()) || q.null(0)) return otherwise;
  return std::min(q.integer(0), otherwise);
}

}  // namespace

Status score_matured(Database& db, ModelLog& log, double delta, int64_t slot_us, int64_t until_us,
                     int64_t matures_us, const std::function<bool(const LabelledRequest&)>& excluded) {
  int64_t from = log.state.scored_until_us();
  while (from + slot_us <= until_us - matures_us) {
    const int64_t to = from + slot_us;
    const auto requests = TRY(read_labelled(db, log.name, from, to, to + matures_us, false));
    std::map<uint64_t, Mean> means;
    for (const auto& request : requests) {
      if (excluded(request)) continue;
      Mean& mean = means[request.version];
      for (size_t i = 0; i < request.labels.size(); ++i) {
        if (std::isnan(request.labels[i])) continue;
        mean.sum += clipped_loss(request.labels[i], request.predictions[i]);
        ++mean.rows;
      }
    }
    for (const auto& [version, mean] : means)
      if (mean.rows > 0) TRY_STATUS(feed(detector_of(log.state, version), mean, delta, from));
    from = to;
    if (requests.empty()) {
      // A silence is crossed in one stride.
      const int64_t next = TRY(next_request_us(db, log.name, from, until_us));
      from = std::max(from, from + (std::min(next, until_us - matures_us) - from) / slot_us * slot_us);
    }
  }
  log.state.set_scored_until_us(from);
  auto& detectors = *log.state.mutable_detectors();
  detectors.erase(std::remove_if(detectors.begin(), detectors.end(),
                                 [&](const auto& d) { return d.last_us() < from - kForgetUs; }),
                  detectors.end());
  return ok_status();
}

v1::Score error_score(const v1::DetectorState& state, double delta) {
  v1::Score score;
  score.set_detector("adwin");
  score.set_version(state.version());
  score.set_rows(state.rows());
  score.set_value(state.after() - state.before());
  score.set_threshold(state.bound());
  score.set_user_threshold(delta);
  score.set_fired(state.risen());
  if (state.since_us() == 0)
    score.set_reason(
        fmt::format("version {}: no change of log-loss in {} labelled rows", state.version(), state.rows()));
  else
    score.set_reason(fmt::format("version {}: log-loss went {} from {:.3f} to {:.3f} by {} (chance: {:.3f})",
                                 state.version(), state.risen() ? "up" : "down", state.before(),
                                 state.after(), format_time(time_from_micros(state.since_us())),
                                 state.bound()));
  return score;
}

}  // namespace rekindle::events
