#include "cli/rows/replay/driver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "proto/time.h"

namespace rekindle::cli::replay {
namespace {

constexpr int64_t kWeekUs = 7 * 86'400'000'000;
constexpr size_t kRowsPerComparison = 2000;
constexpr size_t kProbesMost = 16;  // different requests that keep traffic up while the clock stands
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

uint64_t in_service(const v1::ServingPlan& plan) {
  uint64_t version = 0;
  uint32_t share = 0;
  for (const v1::PlannedVersion& planned : plan.versions())
    if (planned.role() == v1::LIVE && planned.share() > share)
      version = planned.version(), share = planned.share();
  return version;
}

}  // namespace

Driver::Driver(Session& session, NodeClient& node, const Rows& rows, const v1::JobSpec& spec,
               DriverOptions options, Say say)
    : session_(session),
      node_(node),
      rows_(rows),
      spec_(spec),
      rule_(spec.data().label()),
      options_(std::move(options)),
      say_(std::move(say)),
      slot_us_(from_proto(spec.data().slot()).count()),
      begin_us_(rows.slots.front().start_us),
      end_us_(rows.slots.back().start_us + slot_us_),
      labels_(rows, options_.labels_after.count(), slot_us_),
      served_(rows.times.size() * rule_.outputs(), kNone),
      frozen_(rows.times.size() * rule_.outputs(), kNone) {}

Status Driver::run(Report& report) {
  report_ = &report;
  report.from_us = begin_us_;
  report.until_us = end_us_;
  report.compared = options_.compare;
  report.rule = rule_;
  state_ = TRY(session_.begin(begin_us_, options_.pins, options_.run_takes));
  skip_until(state_.clock_us());
  report.from_us = clock_us_;
  report.rows = rows_.times.size() - next_row_;
  TRY_STATUS(stand());
  week_ = Week{.from_us = clock_us_};
  for (int64_t start = clock_us_; start < end_us_; start += slot_us_) {
    TRY_STATUS(play_slot(start));
    TRY_STATUS(advance(start + slot_us_));
    if (start + slot_us_ - week_.from_us >= kWeekUs) TRY_STATUS(end_week(start + slot_us_));
  }
  TRY_STATUS(finish_runs());
  if (week_.from_us < clock_us_ && next_row_ > week_first_row_) TRY_STATUS(end_week(clock_us_));
  return finish_report();
}

// A session that is taken up again goes on where its clock stands. What was sent before is not sent again,
// but its labels may still be due.
void Driver::skip_until(int64_t clock_us) {
  clock_us_ = std::max(begin_us_, clock_us - clock_us % slot_us_);
  for (; next_slot_ < rows_.slots.size() && rows_.slots[next_slot_].start_us < clock_us_; ++next_slot_) {
    for (const Group& group : rows_.slots[next_slot_].groups) {
      labels_.queue(group);
      next_row_ += group.rows.size();
    }
  }
  labels_.drop_before(clock_us_);
  week_first_row_ = next_row_;
}

Status Driver::play_slot(int64_t start_us) {
  bool sent = false;
  if (next_slot_ < rows_.slots.size() && rows_.slots[next_slot_].start_us == start_us) {
    TRY_STATUS(send_requests(rows_.slots[next_slot_++]));
    sent = true;
  }
  sent |= TRY(send_due_labels(start_us));
  return sent ? session_.flush() : ok_status();
}

Status Driver::send_requests(const Slot& slot) {
  std::vector<InferJob> jobs;
  for (const Group& group : slot.groups)
    jobs.push_back({infer_body(rows_.table, spec_.data(), group.rows, group.id, true), group.rows.size()});
  const std::vector<Result<Answer>> answers = node_.infer(jobs);
  for (size_t i = 0; i < answers.size(); ++i) {
    const Group& group = slot.groups[i];
    next_row_ += group.rows.size();
    week_.rows += group.rows.size();
    if (!answers[i].ok()) {
      if (session_.interrupted()) return answers[i].status();
      ++report_->requests_failed;
      print_error(fmt::format("request {} failed: {}", group.id, answers[i].status().message()));
      continue;
    }
    ++report_->requests_answered;
    week_.versions[answers[i]->version] += group.rows.size();
    const size_t width = rule_.outputs();
    for (size_t k = 0; k < group.rows.size(); ++k)
      std::copy_n(answers[i]->values.begin() + static_cast<ptrdiff_t>(k * width), width,
                  served_.begin() + static_cast<ptrdiff_t>(group.rows[k] * width));
    labels_.queue(group);
  }
  return ok_status();
}

Result<bool> Driver::send_due_labels(int64_t start_us) {
  const std::vector<v1::LabelRecord> due = labels_.take(start_us);
  if (due.empty()) return false;
  TRY_STATUS(session_.send_labels(due));
  report_->labels_sent += due.size();
  return true;
}

Status Driver::advance(int64_t clock_us) {
  state_ = TRY(session_.advance(clock_us));
  clock_us_ = clock_us;
  note_window(week_, state_.window(), from_proto(spec_.retrain().window()).count());
  note_rollout(state_);
  TRY_STATUS(note_triggers(state_));
  if (state_.settled()) {
    settled_revision_ = state_.plan().revision();
    return ok_status();
  }
  // A run that was triggered a moment ago gets the hours that it takes; everything else is waited for.
  for (const auto& [id, one] : triggered_)
    if (!one.over && clock_us_ < one.clock_us + options_.run_takes.count()) {
      if (state_.plan().revision() == settled_revision_) return ok_status();
      settled_revision_ = state_.plan().revision();
      return session_.await_nodes(settled_revision_, patience());
    }
  return stand();
}

Status Driver::note_triggers(const v1::ReplayState& state) {
  for (const std::string& id : state.active_runs()) {
    if (triggered_.contains(id)) continue;
    const v1::Run run = TRY(session_.get_run(id));
    if (run.cause() == v1::CAUSE_MANUAL || run.cause() == v1::CAUSE_UNSPECIFIED) continue;
    Triggered one{.run = {.id = id,
                          .cause = cause_text(run.cause()),
                          .detail = run.cause_detail(),
                          .outcome = "",
                          .as_of_us = run.as_of_us()},
                  .queued_us = run.queued_us(),
                  .clock_us = clock_us_};
    say_(fmt::format("  {}  {}: {}, {}", format_time(time_from_micros(clock_us_)), id, one.run.cause,
                     one.run.detail));
    triggered_.emplace(id, std::move(one));
    order_.push_back(id);
    week_.runs.push_back(id);
  }
  return ok_status();
}

void Driver::note_rollout(const v1::ReplayState& state) {
  if (state.rollout().serving_us() > 0) serving_us_[state.rollout().version()] = state.rollout().serving_us();
}

// Until no run is active and every node serves by the newest plan, with traffic kept up meanwhile.
Status Driver::stand() {
  if (!state_.settled()) {
    Probe probe(node_.options(), probe_jobs());
    Result<v1::ReplayState> settled = session_.await_settled(patience());
    report_->unrecorded_answered += probe.answered();
    report_->unrecorded_failed += probe.failed();
    report_->requests_failed += probe.failed();
    if (!settled.ok()) return settled.status();
    state_ = *settled;
  }
  settled_revision_ = state_.plan().revision();
  note_rollout(state_);
  for (auto& [id, one] : triggered_) {
    if (one.over) continue;
    const v1::Run run = TRY(session_.get_run(id));
    if (!is_terminal(run.state()) && run.state() != v1::HELD) continue;
    one.over = true;
    one.run.outcome = run.state() == v1::FAILED_RUN ? "failed" : lower(v1::RunState_Name(run.state()));
    one.run.version = run.version();
    say_(fmt::format("  {}  {}: {}", format_time(time_from_micros(clock_us_)), id, outcome_text(run)));
  }
  return ok_status();
}

// The rows are over; what was triggered near the end still takes its time.
Status Driver::finish_runs() {
  const auto under_way = [this] {
    return std::any_of(triggered_.begin(), triggered_.end(),
                       [](const auto& item) { return !item.second.over; });
  };
  while (under_way()) {
    const int64_t start = clock_us_;
    TRY_STATUS(play_slot(start));
    TRY_STATUS(advance(start + slot_us_));
  }
  return ok_status();
}

Result<std::vector<double>> Driver::compare_rows(size_t begin, size_t end) {
  std::vector<InferJob> jobs;
  for (size_t from = begin; from < end; from += kRowsPerComparison) {
    std::vector<uint32_t> rows(std::min(end, from + kRowsPerComparison) - from);
    std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(from));
    jobs.push_back({infer_body(rows_.table, spec_.data(), rows, fmt::format("compare-{}", from), false),
                    rows.size(), options_.compare});
  }
  std::vector<double> out;
  for (const Result<Answer>& answer : node_.infer(jobs)) {
    if (!answer.ok())
      return answer.status().within(fmt::format("comparing with version {}", options_.compare));
    out.insert(out.end(), answer->values.begin(), answer->values.end());
  }
  return out;
}

Status Driver::end_week(int64_t until_us) {
  const size_t begin = week_first_row_, count = next_row_ - week_first_row_, width = rule_.outputs();
  const std::span<const double> labels = std::span(rows_.labels).subspan(begin, count);
  week_.until_us = until_us;
  week_.in_service = in_service(state_.plan());
  week_.served = figures_of(rule_, labels, std::span(served_).subspan(begin * width, count * width));
  if (options_.compare > 0) {
    const std::vector<double> frozen = TRY(compare_rows(begin, next_row_));
    std::copy(frozen.begin(), frozen.end(), frozen_.begin() + static_cast<ptrdiff_t>(begin * width));
    week_.frozen = figures_of(rule_, labels, frozen);
  }
  week_.decision = decision_text();
  say_(week_line(rule_, week_, options_.compare));
  report_->weeks.push_back(std::move(week_));
  week_ = Week{.from_us = until_us};
  week_first_row_ = next_row_;
  return ok_status();
}

std::string Driver::decision_text() const {
  if (week_.runs.empty()) return state_.decision().last_reason();
  std::vector<std::string> parts;
  for (const std::string& id : week_.runs) {
    const TriggeredRun& run = triggered_.at(id).run;
    parts.push_back(fmt::format("{} by {}: {}{}", id, run.cause,
                                run.outcome.empty() ? "under way" : run.outcome,
                                run.version > 0 ? fmt::format(" as version {}", run.version) : ""));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

Status Driver::finish_report() {
  Report& report = *report_;
  for (const std::string& id : order_) {
    const Triggered& one = triggered_.at(id);
    report.runs.push_back(one.run);
    report.versions_published += one.run.outcome == "published";
    report.versions_rejected += one.run.outcome == "rejected";
    if (const auto it = serving_us_.find(one.run.version); one.run.version > 0 && it != serving_us_.end())
      report.trigger_to_serving_seconds.push_back(static_cast<double>(it->second - one.queued_us) / 1e6);
  }
  report.served = figures_of(rule_, rows_.labels, served_);
  if (options_.compare > 0) report.frozen = figures_of(rule_, rows_.labels, frozen_);
  report.retry_seconds = node_.retry_seconds();
  return ok_status();
}

std::vector<InferJob> Driver::probe_jobs() const {
  std::vector<InferJob> jobs;
  const Slot& slot = rows_.slots[next_slot_ == 0 ? 0 : next_slot_ - 1];
  for (size_t i = 0; i < kProbesMost; ++i) {
    const Group& group = slot.groups[i % slot.groups.size()];
    jobs.push_back({infer_body(rows_.table, spec_.data(), group.rows, fmt::format("probe-{}", i), false),
                    group.rows.size()});
  }
  return jobs;
}

}  // namespace rekindle::cli::replay
