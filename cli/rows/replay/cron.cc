#include "cli/rows/replay/cron.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "cli/output.h"
#include "dataio/parquet_events.h"

namespace rekindle::cli::replay {
namespace {

constexpr int64_t kHour = 3'600'000'000;

Result<v1::Run> completed(Session& session, v1::StartRunRequest request) {
  const v1::Run started = TRY(session.start(std::move(request)));
  const v1::Run run = TRY(session.await_run(started.id()));
  if (run.state() != v1::COMPLETED)
    return failed_precondition(fmt::format("run {} of the comparison with cron is {}: {}", run.id(),
                                           lower(v1::RunState_Name(run.state())), run.reason()));
  return run;
}

int64_t as_of(const CronRequest& request, uint64_t fit) {
  const int64_t span = request.until_us - request.from_us;
  const int64_t at =
      request.from_us + span / static_cast<int64_t>(request.fits + 1) * static_cast<int64_t>(fit);
  return at - at % kHour;
}

}  // namespace

Result<Figures> run_cron(Session& session, const artifacts::Store& store, const CronRequest& request,
                         const Say& say) {
  v1::StartRunRequest scoring;
  scoring.set_dataset(request.dataset);
  scoring.set_idempotency_key(request.key + "-score");
  v1::ScoreTarget* last = scoring.add_score();
  last->set_version(request.first_version);
  last->set_from_us(request.from_us);
  for (uint64_t fit = 1; fit <= request.fits; ++fit) {
    v1::StartRunRequest training;
    training.set_as_of_us(as_of(request, fit));
    training.set_no_publish(true);
    training.set_idempotency_key(fmt::format("{}-{}", request.key, fit));
    const v1::Run run = TRY(completed(session, std::move(training)));
    say(fmt::format("  cron fit {}/{} as of {}: {}", fit, request.fits,
                    format_time(time_from_micros(run.as_of_us())), run.id()));
    const int64_t serves_from = run.as_of_us() + request.run_takes.count();
    last->set_until_us(serves_from);
    last = scoring.add_score();
    last->set_run(run.id());
    last->set_from_us(serves_from);
  }
  last->set_until_us(request.until_us);
  const v1::Run run = TRY(completed(session, std::move(scoring)));
  const dataio::LabelRule rule(request.label);
  std::vector<double> labels, answers;
  for (const v1::ScoreResult& score : run.outcome().scores()) {
    if (score.predictions().empty()) continue;
    const std::string bytes = TRY(store.get(score.predictions()));
    const dataio::Predictions part = TRY(dataio::read_predictions(rule, bytes, score.predictions()));
    labels.insert(labels.end(), part.labels.begin(), part.labels.end());
    answers.insert(answers.end(), part.answers.begin(), part.answers.end());
  }
  return figures_of(rule, labels, answers);
}

}  // namespace rekindle::cli::replay
