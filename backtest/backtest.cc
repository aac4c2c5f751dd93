#include "backtest/backtest.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "backtest/fits/matrix.h"
#include "backtest/judge/ageing.h"
#include "backtest/judge/front.h"
#include "backtest/loop/replay.h"
#include "backtest/policies/suggest.h"
#include "backtest/setting.h"
#include "backtest/trees/reference.h"
#include "proto/time.h"

namespace rekindle::backtest {
namespace {

// A daemon's clock is years after the history that it is told; how many does not matter.
constexpr int64_t kLaterUs = int64_t{3650} * 86'400'000'000;

// The events of this backtest, gone with it.
class EventFile {
 public:
  explicit EventFile(const FitStore& store) : path_(store.scratch() / fmt::format("events-{}.db", getpid())) {
    clear();
  }
  ~EventFile() { clear(); }
  EventFile(const EventFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  void clear() {
    std::error_code ignored;
    for (const char* ending : {"", "-wal", "-shm"}) fs::remove(path_.string() + ending, ignored);
  }
  fs::path path_;
};

// That were trained on: by all fits of a run with train.candidates, as its seconds are those of all.
uint64_t rows_of(const v1::Outcome& outcome) {
  if (outcome.candidates().empty()) return outcome.train_rows() + outcome.valid_rows();
  uint64_t rows = 0;
  for (const v1::CandidateFit& fit : outcome.candidates())
    if (fit.steps() > 0) rows += fit.train_rows() + fit.valid_rows();
  return rows;
}

class Backtest {
 public:
  Backtest(const v1::BacktestRequest& request, const FitStore& store, Setting setting, const Say& say)
      : request_(request),
        store_(store),
        setting_(std::move(setting)),
        say_(say),
        rule_(setting_.spec.data().label()),
        trainer_(store),
        matrix_(store, rule_, setting_.spec.data(), setting_.rows),
        history_{matrix_.judged(),
                 setting_.from_us,
                 setting_.until_us,
                 setting_.slice_us,
                 from_proto(setting_.spec.data().label().matures()).count(),
                 setting_.run_takes.count(),
                 from_proto(setting_.spec.retrain().window()).count()} {}

  Result<Report> run() {
    const EventFile file(store_);
    const auto events = TRY(events::EventStore::open(file.path(), store_.artifacts(), true));
    Coordinator coordinator(store_, *events, trainer_, time_from_micros(setting_.until_us + kLaterUs));
    coordinator_ = &coordinator;
    TRY_STATUS(through_the_loop(*events));
    // Each slice's fit is a row of the matrix, whoever asks for it: the clairvoyant may choose among all.
    for (const int64_t end : slice_ends(setting_.from_us, setting_.until_us, setting_.slice_us))
      if (end + setting_.run_takes.count() < setting_.until_us) TRY_STATUS(fit_if_any(end));
    TRY_STATUS(boosted_trees());
    for (const Policy& policy : setting_.policies)
      if (policy.kind != Kind::kOwn) TRY_STATUS(baseline(policy));
    if (request_.suggest() > 0) TRY_STATUS(propose());
    TRY_STATUS(judge());
    return std::move(report_);
  }

 private:
  // Version 1 and rekindle's own policy: the settled days of all fits come of it, so it is played in any
  // case.
  Status through_the_loop(events::EventStore& events) {
    say_(fmt::format("version 1 from {}", setting_.spec.data().initial()));
    TRY_STATUS(coordinator_->begin(setting_.spec, setting_.initial));
    const auto first = coordinator_->fits().begin();
    TRY(add(first->second, setting_.from_us, setting_.from_us));
    Node node = TRY(Node::open(store_, events, setting_.spec, setting_.rows));
    say_(fmt::format("{} rows of {} through the loop", setting_.rows.times.size(), setting_.history));
    int64_t said = setting_.from_us;
    size_t runs = 1;
    const auto progress = [&](double share, int64_t clock) {
      if (clock - said < setting_.slice_us && coordinator_->fits().size() == runs) return;
      said = clock - (clock - setting_.from_us) % setting_.slice_us;
      runs = coordinator_->fits().size();
      say_(fmt::format("  {}  {:3.0f} %  {} fits, {} versions",
                       format_time(time_from_micros(clock)).substr(0, 10), 100 * share, runs,
                       coordinator_->model().versions_size()));
    };
    const Replayed played =
        TRY(replay(*coordinator_, node, setting_.spec, setting_.rows, setting_.run_takes, progress));
    const bool asked = std::any_of(setting_.policies.begin(), setting_.policies.end(),
                                   [](const Policy& one) { return one.kind == Kind::kOwn; });
    return own(played, node, asked);
  }

  // Candidates are rows of the matrix too, the rejected among them: the clairvoyant may take what the gate
  // did not.
  Status own(const Replayed& played, const Node& node, bool asked) {
    PolicyLine line;
    line.name = kOwn;
    line.fits = 1;
    add_cost(line, matrix_.fits().front());
    for (const Triggered& run : played.runs) {
      RunLine shown{run.as_of_us, run.cause, run.detail, run.outcome, run.reason, run.serving_us};
      const auto made = coordinator_->fits().find(run.run);
      if (run.reused) {
        own_schedule_.push_back({fit_of(made->second.outcome.manifest()), run.serving_us});
      } else if (made != coordinator_->fits().end()) {
        shown.rows = rows_of(made->second.outcome);
        shown.seconds = made->second.outcome.train_seconds();
        shown.kept = made->second.kept;
        ++line.fits;
        line.rows += shown.rows;
        line.seconds += shown.seconds;
        const int64_t active = run.as_of_us + setting_.run_takes.count();
        if (!made->second.outcome.manifest().empty()) {
          const size_t fit = TRY(add(made->second, run.as_of_us, active));
          if (run.outcome == "published") own_schedule_.push_back({fit, run.serving_us});
        }
      }
      line.runs.push_back(std::move(shown));
    }
    // A shadow learns from rows too.
    line.rows += static_cast<uint64_t>(coordinator_->model().decision().last_window().shadow_rows());
    std::erase_if(own_schedule_, [](const Turn& turn) { return turn.from_us == 0; });
    own_schedule_.insert(own_schedule_.begin(), Turn{0, setting_.from_us});
    own_fits_ = line.fits;
    own_answers_ = node.answers();
    if (!asked) return ok_status();
    score(line, node.answers());
    report_.policies.push_back(std::move(line));
    return ok_status();
  }

  size_t fit_of(const std::string& manifest) const {
    const auto& fits = matrix_.fits();
    const auto found =
        std::find_if(fits.begin(), fits.end(), [&](const MadeFit& fit) { return fit.manifest == manifest; });
    CHECK(found != fits.end(), "a version that serves again was fitted before");
    return static_cast<size_t>(found - fits.begin());
  }

  Result<size_t> add(const RunFit& run, int64_t as_of_us, int64_t active_us) {
    return matrix_.add({run.outcome.manifest(), as_of_us, active_us, rows_of(run.outcome),
                        run.outcome.train_seconds(), run.kept});
  }

  // As often as slices end, on the rows of the fits that were made there.
  Status boosted_trees() {
    report_.trees.missing = setting_.no_trees;
    if (!setting_.trees) return ok_status();
    say_(fmt::format("boosted trees, {} fits", 1 + by_time_.size()));
    TreesReference trees(*setting_.trees, store_, rule_, setting_.spec.data(), setting_.rows);
    TRY_STATUS(
        trees.add(coordinator_->fits().begin()->second.plan, matrix_.fits().front(), setting_.from_us));
    for (const auto& [as_of_us, slice] : by_time_)
      TRY_STATUS(
          trees.add(slice.run->plan, matrix_.fits()[slice.fit], as_of_us + setting_.run_takes.count()));
    PolicyLine& line = report_.trees.line.emplace();
    line.name = "boosted trees";
    line.fits = trees.fits().size();
    for (const MadeFit& fit : trees.fits()) add_cost(line, fit);
    score(line, trees.answers());
    const FitLosses both[] = {matrix_.losses_of(own_answers_), matrix_.losses_of(trees.answers())};
    report_.trees.over_own =
        gain_by_day(matrix_.judged(), both, {{0, setting_.from_us}}, {{1, setting_.from_us}});
    return ok_status();
  }

  // Without a gate: what a sceptic's fit would be.
  Result<size_t> fit_at(int64_t as_of_us) {
    if (const auto known = by_time_.find(as_of_us); known != by_time_.end()) return known->second.fit;
    if (const auto known = refused_.find(as_of_us); known != refused_.end()) return known->second;
    const Result<const v1::Run*> fitted = coordinator_->fit_as_of(as_of_us);
    if (!fitted.ok()) {
      refused_.emplace(as_of_us, fitted.status());
      say_(fmt::format("  no fit as of {}: {}", format_time(time_from_micros(as_of_us)),
                       fitted.status().message()));
    }
    const v1::Run* run = TRY(fitted);
    const RunFit& made = coordinator_->fits().at(run->id());
    const size_t fit = TRY(add(made, as_of_us, as_of_us + setting_.run_takes.count()));
    say_(fmt::format("  fit as of {}: {} rows, {:.1f} s{}", format_time(time_from_micros(as_of_us)),
                     rows_of(made.outcome), made.outcome.train_seconds(), made.kept ? ", made before" : ""));
    by_time_[as_of_us] = {fit, &made};
    return fit;
  }

  // Labels that come late leave the first slices too little to fit on: theirs are no rows of the matrix.
  Status fit_if_any(int64_t as_of_us) {
    const Status status = fit_at(as_of_us).status();
    return status.code() == Code::kFailedPrecondition ? ok_status() : status;
  }

  Status baseline(Policy policy) {
    if (policy.kind == Kind::kCron && policy.fits == 0) policy.fits = std::max<uint64_t>(own_fits_, 2) - 1;
    say_(fmt::format("policy {}", policy.name));
    const Course course = TRY(walk(policy, history_, maker()));
    PolicyLine line;
    line.name = policy.name;
    line.fits = 1 + course.fitted.size();
    add_cost(line, matrix_.fits().front());
    for (const Course::Fitted& fitted : course.fitted) {
      const MadeFit& made = matrix_.fits()[fitted.fit];
      add_cost(line, made);
      line.runs.push_back({fitted.as_of_us, policy.name, fitted.detail,
                           fitted.serving_us > 0 ? "published" : "shadow", "", fitted.serving_us, made.rows,
                           made.seconds, made.kept});
    }
    if (course.cut_off) say_(fmt::format("  cut off after {} fits: it fires at noise", course.fitted.size()));
    score(line, matrix_.answers(course.schedule));
    schedules_.emplace_back(line.name, course.schedule);
    report_.policies.push_back(std::move(line));
    return ok_status();
  }

  Maker maker() {
    return {[this](int64_t at) { return fit_at(at); },
            [this](size_t fit, size_t row) { return matrix_.loss(fit, row); },
            [this](size_t fit, size_t row) { return matrix_.error(fit, row); }};
  }

  // Tuned on the first third; what is told of it is of the rest.
  Status propose() {
    say_(fmt::format("a policy for {} fits", request_.suggest()));
    const Suggestion found = TRY(suggest(history_, maker(), request_.suggest()));
    const Course course = TRY(walk(found.policy, history_, maker()));
    const Judged& judged = matrix_.judged();
    const size_t begin = judged.at(found.tuned_until_us);
    const auto after = [&](const std::vector<double>& answers) {
      return matrix_.figures(answers, begin, judged.rows()).loss;
    };
    report_.suggested = {found.policy.name,
                         spec_words(found.policy),
                         request_.suggest(),
                         course.fitted.size(),
                         found.tuned_until_us,
                         after(matrix_.answers(course.schedule)),
                         after(matrix_.answers({{0, setting_.from_us}})),
                         after(own_answers_)};
    return ok_status();
  }

  static void add_cost(PolicyLine& line, const MadeFit& fit) {
    line.rows += fit.rows;
    line.seconds += fit.seconds;
  }

  void score(PolicyLine& line, std::span<const double> answers) {
    const auto all = matrix_.figures(answers, 0, matrix_.judged().rows());
    line.loss = line.least = line.most = all.loss;
    line.score = all.score;
    int64_t from = setting_.from_us;
    for (const int64_t end : slice_ends(setting_.from_us, setting_.until_us, setting_.slice_us)) {
      const Judged& judged = matrix_.judged();
      line.losses.push_back(matrix_.figures(answers, judged.at(from), judged.at(end)).loss);
      from = end;
    }
  }

  Status judge() {
    const Judged& judged = matrix_.judged();
    const auto labelled = static_cast<double>(judged.labelled_in(0, judged.rows()));
    size_t most = matrix_.fits().size();
    const std::vector<int64_t> active = matrix_.active();
    const Oracle oracle(judged, matrix_.losses(), active, most);
    const Schedule never{{0, setting_.from_us}};
    report_.never = oracle.with(1).loss / labelled;
    for (size_t fits = 1; fits <= most; ++fits) report_.best.push_back(oracle.with(fits).loss / labelled);
    report_.gain = gain_by_day(judged, matrix_.losses(), never, oracle.with(most).schedule);
    report_.still = nothing_moves(judged, matrix_.losses(),
                                  slice_ends(setting_.from_us, setting_.until_us, setting_.slice_us));
    std::vector<Offer> offers;
    for (PolicyLine& line : report_.policies) {
      const Best& best = oracle.with(line.fits);
      line.best = best.loss / labelled;
      line.share = share_of_gain(report_.never, line.loss, line.best);
      const Schedule& schedule = schedule_of(line.name);
      const std::vector<int64_t> changes(request_.changed_us().begin(), request_.changed_us().end());
      line.delay_days = changes.empty() ? delay_days(turns_of(best.schedule), schedule, history_)
                                        : delay_after(changes, schedule, history_);
      offers.push_back({static_cast<double>(line.rows), line.loss});
    }
    const std::vector<bool> front = on_the_front(offers);
    for (size_t i = 0; i < front.size(); ++i) report_.policies[i].front = front[i];
    report_.best_turns = turns_of(oracle.with(own_fits_).schedule);
    fill_setting(judged);
    return ok_status();
  }

  static std::vector<int64_t> turns_of(const Schedule& schedule) {
    std::vector<int64_t> out;
    for (size_t i = 1; i < schedule.size(); ++i) out.push_back(schedule[i].from_us);
    return out;
  }

  const Schedule& schedule_of(const std::string& name) const {
    const auto found = std::find_if(schedules_.begin(), schedules_.end(),
                                    [&name](const auto& one) { return one.first == name; });
    return found == schedules_.end() ? own_schedule_ : found->second;
  }

  void fill_setting(const Judged& judged) {
    for (const auto& [id, quarantine] :
         coordinator_->state().quarantines) {  // of the one model that there is
      const v1::Breach& breach = quarantine.breach();
      report_.held.push_back({breach.check(), breach.feature(), breach.source(), breach.from_us(),
                              breach.until_us(), static_cast<uint64_t>(breach.rows()), breach.reason()});
    }
    report_.model = setting_.spec.name();
    report_.data = setting_.history;
    report_.from_us = setting_.from_us;
    report_.until_us = setting_.until_us;
    report_.rows = judged.rows();
    report_.labelled = judged.labelled_in(0, judged.rows());
    report_.loss_name = rule_.regression() ? "squared error" : "log-loss";
    report_.score_name = rule_.regression() ? "absolute error" : rule_.binary() ? "AUROC" : "accuracy";
    report_.slice_us = setting_.slice_us;
    report_.label_delay_us = history_.label_delay_us;
    report_.run_takes_us = history_.run_takes_us;
    report_.fits_made = trainer_.made();
    report_.fits_kept = trainer_.kept();
    int64_t from = setting_.from_us;
    for (const int64_t end : slice_ends(setting_.from_us, setting_.until_us, setting_.slice_us)) {
      report_.slices.push_back({from, end, judged.labelled_in(judged.at(from), judged.at(end))});
      from = end;
    }
  }

  const v1::BacktestRequest& request_;
  const FitStore& store_;
  const Setting setting_;
  const Say& say_;
  const dataio::LabelRule rule_;
  Trainer trainer_;
  Matrix matrix_;
  const History history_;
  Coordinator* coordinator_ = nullptr;
  struct SliceFit {
    size_t fit;
    const RunFit* run;
  };
  std::map<int64_t, SliceFit> by_time_;  // fits that publish nothing, by as-of time
  std::map<int64_t, Status> refused_;    // those that could not be made
  Schedule own_schedule_;
  uint64_t own_fits_ = 1;
  std::vector<double> own_answers_;
  std::vector<std::pair<std::string, Schedule>> schedules_;
  Report report_;
};

}  // namespace

Result<Report> run(const v1::BacktestRequest& request, const Say& say) {
  const auto start = std::chrono::steady_clock::now();
  const FitStore store = TRY(FitStore::open(request.cache()));
  const Setting setting = TRY(prepare(request, store));
  Report report = TRY(Backtest(request, store, setting, say).run());
  // Others may decide otherwise, at other times: the band is of the policy, not of one schedule.
  for (uint32_t more = 1; more < request.seeds(); ++more) {
    Setting other = setting;
    const uint64_t seed = setting.spec.train().seed() + more;
    other.spec.mutable_train()->set_seed(seed);
    other.trees.reset();
    say(fmt::format("again with seed {}", seed));
    widen_bands(report, TRY(Backtest(request, store, std::move(other), say).run()));
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.verdict = verdict_of(report);
  return report;
}

}  // namespace rekindle::backtest
