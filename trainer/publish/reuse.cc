#include "trainer/publish/reuse.h"

#include <memory>
#include <string>
#include <vector>

#include "base/stats.h"
#include "models/predictor.h"
#include "registry/gate.h"
#include "trainer/publish/evaluate.h"
#include "trainer/publish/probe.h"

namespace rekindle::trainer {
namespace {

class Versions {
 public:
  explicit Versions(Context& context) : context_(context), rule_(context.plan.spec().data().label()) {}

  Result<std::unique_ptr<models::Predictor>> load(const std::string& manifest) const {
    auto loaded = models::load_predictor(context_.store, manifest, predictor_options(context_.plan));
    const Status fits =
        loaded.ok() ? check_goes_on(rule_, dataio::LabelRule((*loaded)->card().label())) : loaded.status();
    TRY_STATUS(agreed(context_.collectives, fits));
    return std::move(loaded).value();
  }

  Result<std::vector<double>> answers(const models::Predictor& version, const Window& window) const {
    auto scored = TRY(score_window(context_.collectives, version, window.rows));
    context_.reporter.advance();
    return rule_.widened(dataio::LabelRule(version.card().label()), std::move(scored.values));
  }

  Result<double> loss(const models::Predictor& version, const Window& window) const {
    const std::vector<double> given = TRY(answers(version, window));
    Figures figures;
    for (size_t row = 0; row < window.size(); ++row)
      figures.add(rule_, window.labels[row],
                  std::span(given).subspan(row * rule_.outputs(), rule_.outputs()));
    return mean(figures.losses);
  }

  const dataio::LabelRule& rule() const { return rule_; }

 private:
  Context& context_;
  const dataio::LabelRule rule_;
};

struct Best {
  const v1::ScoreItem* item = nullptr;
  std::unique_ptr<models::Predictor> version;
};

// The one that loses least where nothing is judged, and less than `most`.
Best best_of(Context& context, const Versions& versions, const Window& window, double most) {
  Best best;
  for (const auto& item : context.plan.score()) {
    auto version = versions.load(item.manifest());
    const auto loss = version.ok() ? versions.loss(**version, window) : Result<double>(version.status());
    if (!loss.ok()) {
      context.reporter.note("version " + std::to_string(item.version()) +
                            " is not looked at again: " + loss.status().message());
    } else if (*loss < most) {
      most = *loss;
      best = {&item, std::move(version).value()};
    }
  }
  return best;
}

}  // namespace

Result<std::optional<v1::Outcome>> reusable(Context& context, const RunRows& rows) {
  const v1::Plan& plan = context.plan;
  if (plan.score().empty() || plan.champion_manifest().empty()) return std::optional<v1::Outcome>();
  context.reporter.phase(v1::PHASE_SCORE);
  const Versions versions(context);
  const auto champion = TRY(versions.load(plan.champion_manifest()));
  const Best best = best_of(context, versions, rows.valid, TRY(versions.loss(*champion, rows.valid)));
  if (best.item == nullptr) return std::optional<v1::Outcome>();
  const std::vector<double> theirs = TRY(versions.answers(*champion, rows.holdout));
  const std::vector<double> old = TRY(versions.answers(*best.version, rows.holdout));
  v1::Outcome out;
  *out.mutable_evaluation() =
      evaluate(rows.holdout, Answers{old, theirs, versions.rule().constant_answer(rows.world().labels)},
               plan.spec().data());
  // What the serving program says is asked last, and weighed with the rest by the coordinator.
  v1::Gate gate = plan.spec().gate();
  gate.clear_serving();
  const v1::Verdict verdict = registry::judge(gate, out.evaluation(), true);
  if (verdict.kind() != v1::Verdict::PASS) {
    context.reporter.note("version " + std::to_string(best.item->version()) +
                          " is the best of the older ones: " + verdict.reason());
    return std::optional<v1::Outcome>();
  }
  if (plan.spec().gate().has_serving() && context.first())
    if (auto probe = probe_serving(context, best.item->manifest()))
      *out.mutable_evaluation()->mutable_serving() = *std::move(probe);
  out.set_kind(v1::Outcome::FINISHED);
  out.set_message("version " + std::to_string(best.item->version()) +
                  " fits the present: nothing was trained");
  out.set_manifest(best.item->manifest());
  out.set_holdout_rows(rows.holdout.size());
  return std::optional(std::move(out));
}

}  // namespace rekindle::trainer
