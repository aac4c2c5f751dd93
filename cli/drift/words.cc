#include "cli/drift/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "cli/output.h"
#include "proto/time.h"

namespace rekindle::cli {
namespace {

using Scores = google::protobuf::RepeatedPtrField<v1::Score>;

// The whole of a name's line in the block above the tables.
std::string line(std::string_view name, std::string_view text) {
  return fmt::format("{:<12}{}\n", name, text);
}

double excess(const v1::Score& score) {
  return score.value() / std::max(score.threshold(), 1e-12);
}

std::string share_text(const v1::Score& score) {
  return fmt::format("{:.3g} of {:.3g}", score.value(), score.threshold());
}

std::string name_of(const v1::Score& score) {
  return score.feature().empty() ? score.detector()
                                 : fmt::format("{} of {}", score.detector(), score.feature());
}

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "-";
}

void add_scores(const Scores& scores, uint64_t judged, TextTable& table) {
  std::vector<const v1::Score*> sorted;
  for (const v1::Score& score : scores) sorted.push_back(&score);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const v1::Score* a, const v1::Score* b) { return excess(*a) > excess(*b); });
  for (const v1::Score* score : sorted) {
    std::string of = score->feature().empty() ? "errors" : score->feature();
    if (score->version() != 0 && score->version() != judged)
      of += fmt::format(" of version {}", score->version());
    // ADWIN's threshold is its own: what was asked for there is a confidence.
    const bool larger_of_two =
        score->threshold() == std::max(score->user_threshold(), score->null_quantile());
    table.add({score->detector(), of, number_text(score->value()), number_text(score->threshold()),
               larger_of_two ? number_text(score->user_threshold()) : "-",
               larger_of_two ? number_text(score->null_quantile()) : "-", fmt::format("{}", score->rows()),
               score->fired() ? paint(Colour::kYellow, "moved") : std::string("-"), score->reason()});
  }
}

std::string scores_text(const v1::JudgedWindow& window) {
  TextTable table({"SCORE", "OF", "VALUE", "THRESHOLD", "YOURS", "CHANCE", "ROWS", "SAYS", "WHY"});
  add_scores(window.quality(), window.version(), table);
  add_scores(window.drift(), window.version(), table);
  return table.empty() ? "no scores: the window was not compared with the reference\n" : table.text();
}

std::string triggers_text(const v1::DecisionState& decision) {
  if (decision.words().empty()) return {};
  TextTable table({"TRIGGER", "SAYS", "VALUE", "THRESHOLD", "WHY"});
  for (const v1::TriggerWord& word : decision.words())
    table.add({word.trigger(), word.fired() ? paint(Colour::kYellow, "run") : std::string("-"),
               number_text(word.value()), number_text(word.threshold()), word.reason()});
  return table.text() + "\n";
}

std::string breaches_text(const v1::JudgedWindow& window) {
  if (window.breaches().empty()) return {};
  TextTable table({"BROKEN FEED", "OF", "FROM NODE", "SINCE", "UNTIL", "VALUE", "THRESHOLD", "ROWS", "WHY"});
  for (const v1::Breach& breach : window.breaches())
    table.add({breach.check(), breach.feature(), breach.source().empty() ? "all" : breach.source(),
               time_text(breach.from_us()), time_text(breach.until_us()), number_text(breach.value()),
               number_text(breach.threshold()), fmt::format("{}", breach.rows()), breach.reason()});
  return "\n" + table.text();
}

std::string windows_text(const v1::DriftStatusResponse& status) {
  const v1::JudgedWindow& window = status.decision().last_window();
  const v1::Retrain& retrain = status.retrain();
  std::string text =
      line("reference", status.champion() == 0
                            ? "none: no version is in service"
                            : fmt::format("what version {} was trained on, known up to {}", status.champion(),
                                          time_text(status.champion_as_of_us())));
  text += line("window", fmt::format("{} to {}, {} rows of version {}; {} and at least {} rows are needed",
                                     time_text(window.from_us()), time_text(window.until_us()), window.rows(),
                                     window.version(), format_duration(from_proto(retrain.window())),
                                     retrain.min_rows()));
  return text;
}

std::string brakes_text(const v1::DriftStatusResponse& status) {
  const v1::DecisionState& decision = status.decision();
  const v1::Retrain& retrain = status.retrain();
  const auto hits = std::count(decision.drift_hits().begin(), decision.drift_hits().end(), true);
  std::string text =
      line("persistence",
           fmt::format("drift in {} of the last {} windows; {} of {} are needed", hits,
                       decision.drift_hits_size(), retrain.persistence().hits(), retrain.persistence().of()));
  if (status.cooldown_until_us() > 0)
    text += line(
        "cooldown",
        fmt::format("{} {}{}", status.cooldown_until_us() > status.model_clock_us() ? "until" : "over since",
                    time_text(status.cooldown_until_us()),
                    decision.rejections() == 0
                        ? ""
                        : fmt::format(", lengthened by {} rejected in a row", decision.rejections())));
  text += line("budget", fmt::format("{:.2f} of at most {} runs saved up; {} per {}", decision.tokens(),
                                     retrain.at_most().burst(), retrain.at_most().runs(),
                                     format_duration(from_proto(retrain.at_most().per()))));
  if (retrain.at_most().has_rank_time())
    text += line("rank time", fmt::format("{:.2f}h left; {} per {}, {:.2f}h by the newest run",
                                          decision.rank_seconds() / 3600,
                                          format_duration(from_proto(retrain.at_most().rank_time())),
                                          format_duration(from_proto(retrain.at_most().per())),
                                          decision.last_rank_seconds() / 3600));
  if (decision.due() != v1::CAUSE_UNSPECIFIED)
    text += line("due", fmt::format("since {}, until it is no longer quiet: {}", time_text(decision.due_us()),
                                    decision.due_reason()));
  if (!decision.active_run().empty()) text += line("run", decision.active_run() + " is under way");
  if (status.frozen())
    text += line("frozen", status.frozen_reason().empty() ? "by a person" : status.frozen_reason());
  return text;
}

// Of all that was scored, what is nearest to its threshold or farthest over it; nullptr: nothing was.
const v1::Score* strongest(const v1::JudgedWindow& window) {
  const v1::Score* best = nullptr;
  for (const Scores* scores : {&window.quality(), &window.drift()})
    for (const v1::Score& score : *scores)
      if (best == nullptr || excess(score) > excess(*best)) best = &score;
  return best;
}

auto moved(const v1::JudgedWindow& window) {
  const auto fired = [](const v1::Score& score) { return score.fired(); };
  return std::count_if(window.drift().begin(), window.drift().end(), fired) +
         std::count_if(window.quality().begin(), window.quality().end(), fired);
}

}  // namespace

std::string drift_text(const std::string& model, const v1::DriftStatusResponse& status) {
  const v1::DecisionState& decision = status.decision();
  std::string text = line("model", paint(Colour::kBold, model));
  text += line("clock", fmt::format("{}; all rows up to {} have come", time_text(status.model_clock_us()),
                                    time_text(status.watermark_us())));
  text += line(
      "events",
      fmt::format("{} requests, {} labelled rows; {} labels wait for their request, {} came late",
                  status.requests(), status.labelled_rows(), status.waiting_labels(), status.late_labels()));
  if (!decision.has_last_window())
    return text + line("decision", status.champion() == 0
                                       ? "none: no version is in service"
                                       : "none yet: no time slot of the version in service is sealed");
  text += windows_text(status);
  text += line("decision", decision.last_reason());
  text += brakes_text(status);
  return text + "\n" + triggers_text(decision) + scores_text(decision.last_window()) +
         breaches_text(decision.last_window());
}

std::string judgements_table(const v1::DriftStatusResponse& status) {
  TextTable table({"SLOT", "VERSION", "ROWS", "MOVED", "BROKEN", "STRONGEST", "DECISION"});
  for (const v1::Judgement& judgement : status.judgements()) {
    const v1::JudgedWindow& window = judgement.window();
    const v1::Score* best = strongest(window);
    table.add({time_text(window.slot_us()), fmt::format("{}", window.version()),
               fmt::format("{}", window.rows()), fmt::format("{}", moved(window)),
               fmt::format("{}", window.breaches_size()),
               best == nullptr ? "-" : fmt::format("{}, {}", name_of(*best), share_text(*best)),
               judgement.reason()});
  }
  return table.text();
}

}  // namespace rekindle::cli
