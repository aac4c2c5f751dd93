#include "registry/gate/limits.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text/printable.h"
#include "proto/time.h"
#include "registry/evidence/reliability.h"
#include "registry/gate/figures.h"

namespace rekindle::registry {
namespace {

v1::GateCheck check_of(std::string name, v1::GateCheck::Result result, std::string text) {
  v1::GateCheck check;
  check.set_name(std::move(name));
  check.set_result(result);
  check.set_text(std::move(text));
  return check;
}

v1::GateCheck measured(std::string name, bool pass, double value, double limit, std::string text) {
  v1::GateCheck check =
      check_of(std::move(name), pass ? v1::GateCheck::PASSED : v1::GateCheck::FAILED, std::move(text));
  check.set_value(value);
  check.set_limit(limit);
  return check;
}

v1::GateCheck check_slice(const v1::Gate& gate, const v1::SliceSums& sums) {
  const std::string slice = printable(sums.slice()), name = "slice " + slice;
  const double floor = -gate.slices().worse();
  if (sums.rows() <= 0 || static_cast<uint64_t>(sums.rows()) < gate.slices().min_rows())
    return check_of(name, v1::GateCheck::NOT_JUDGED,
                    fmt::format("slice {} has {} rows, too few to judge", slice, sums.rows()));
  if (gate.metric() == v1::Gate::AUROC && one_class(sums))
    return check_of(name, v1::GateCheck::NOT_JUDGED,
                    fmt::format("all {} rows of slice {} have the same label", sums.rows(), slice));
  const Figures figures = figures_of(gate.metric(), sums);
  const double gain = figures.gain_over(figures.champion);
  if (!std::isfinite(gain))
    return check_of(name, v1::GateCheck::MISSING,
                    fmt::format("{} of slice {} is not a number", figures.name, slice));
  v1::GateCheck check = measured(
      name, gain >= floor, gain, floor,
      fmt::format("slice {}: gain {:+.4f} on {} rows, floor {:+.4f}", slice, gain, sums.rows(), floor));
  check.set_rows(sums.rows());
  return check;
}

void check_slices(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion,
                  std::vector<v1::GateCheck>& out) {
  if (!has_champion)
    return out.push_back(check_of("slices", v1::GateCheck::NOT_JUDGED,
                                  "slices are not judged: there is no champion to compare with"));
  const size_t before = out.size();
  for (const v1::SliceSums& sums : evaluation.slices())
    if (!sums.slice().empty()) out.push_back(check_slice(gate, sums));
  if (out.size() == before)
    out.push_back(
        check_of("slices", v1::GateCheck::MISSING,
                 "gate.slices asks for slices, but no categorical column has few enough values in the "
                 "holdout to be one"));
}

v1::GateCheck check_calibration(const v1::Gate& gate, const v1::SliceSums& sums) {
  const std::optional<double> error = calibration_error(sums.candidate_reliability());
  if (!error)
    return check_of("calibration", v1::GateCheck::MISSING,
                    "the evaluation does not say how the candidate is calibrated");
  v1::GateCheck check =
      measured("calibration", *error <= gate.calibration(), *error, gate.calibration(),
               fmt::format("calibration error {:.4f}, limit {:.4f}", *error, gate.calibration()));
  check.set_rows(sums.rows());
  return check;
}

void check_serving(const v1::ServingCheck& asked, const v1::Evaluation& evaluation,
                   std::vector<v1::GateCheck>& out) {
  if (!evaluation.has_serving())
    return out.push_back(check_of("serving", v1::GateCheck::MISSING,
                                  "the run did not try the candidate in the serving program"));
  const v1::ServingProbe& probe = evaluation.serving();
  if (!probe.loaded())
    return out.push_back(
        check_of("serving", v1::GateCheck::FAILED,
                 "the serving program cannot serve the candidate: " + printable(probe.failure())));
  out.push_back(check_of("serving", v1::GateCheck::PASSED,
                         fmt::format("the serving program loaded it in {:.0f} ms", probe.load_ms())));
  if (asked.has_latency()) {
    const double limit = static_cast<double>(from_proto(asked.latency()).count()) / 1000;
    const double p99 = probe.latency_p99_ms();
    out.push_back(measured("latency", p99 >= 0 && p99 <= limit && probe.answers() > 0, p99, limit,
                           fmt::format("99th percentile of {} answers {:.2f} ms, limit {:.2f} ms",
                                       probe.answers(), p99, limit)));
  }
  if (asked.bytes() > 0)
    out.push_back(measured("size", probe.bytes() <= asked.bytes(), static_cast<double>(probe.bytes()),
                           static_cast<double>(asked.bytes()),
                           fmt::format("its files hold {} bytes, limit {}", probe.bytes(), asked.bytes())));
}

}  // namespace

std::vector<v1::GateCheck> check_limits(const v1::Gate& gate, const v1::Evaluation& evaluation,
                                        bool has_champion) {
  std::vector<v1::GateCheck> out;
  if (gate.has_slices()) check_slices(gate, evaluation, has_champion, out);
  if (gate.has_calibration()) out.push_back(check_calibration(gate, *whole_of(evaluation)));
  if (gate.has_serving()) check_serving(gate.serving(), evaluation, out);
  return out;
}

}  // namespace rekindle::registry
