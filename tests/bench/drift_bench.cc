// One sample of `./dev bench drift`: a detector over a file of events, or a report over a file of columns.
// Prints one JSON line; reading the file is not in its times.
//
//   drift_bench adwin|page_hinkley|kswin FILE
//   drift_bench report FILE ROWS COLUMNS     reference columns, then live ones, each ROWS numbers
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "drift/profile.h"
#include "drift/psi.h"
#include "drift/streams/adwin.h"
#include "drift/streams/charts.h"
#include "drift/streams/windows.h"

namespace rekindle::drift {
namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

std::vector<double> read(const char* path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  CHECK(in.good(), "the file of events can be read");
  std::vector<double> out(static_cast<size_t>(in.tellg()) / sizeof(double));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(double)));
  return out;
}

template <typename Detector>
std::string watch(Detector detector, const std::vector<double>& events) {
  std::vector<size_t> alarms;
  const auto began = Clock::now();
  for (size_t i = 0; i < events.size(); ++i)
    if (detector.update(events[i])) alarms.push_back(i);
  const double seconds = since(began);
  return fmt::format(R"({{"seconds":{},"alarms":[{}]}})", seconds, fmt::join(alarms, ","));
}

// As a coordinator does it: the reference's profile, the live rows counted over its edges, the scores.
std::string report(const std::vector<double>& numbers, size_t rows, size_t columns) {
  CHECK(numbers.size() == 2 * rows * columns, "the file holds two tables");
  const auto column = [&](size_t i) { return std::span(numbers).subspan(i * rows, rows); };
  const auto began = Clock::now();
  v1::Profile profile;
  for (size_t i = 0; i < columns; ++i)
    *profile.add_features() = numeric_profile(fmt::format("c{}", i), column(i));
  *profile.mutable_prediction() = numeric_profile(kPrediction, column(0).first(1));
  const double profiled = since(began);

  const auto live = Clock::now();
  const auto bins = ProfileBins::make(profile);
  CHECK(bins.ok(), bins.status().message());
  SlotCounter counter(**bins);
  const auto counting = Clock::now();
  for (size_t i = 0; i < columns; ++i) counter.add_numbers(i, column(columns + i));
  const double counted = since(counting);
  const v1::SlotCounts counts = counter.to_proto(1, Time{});
  std::vector<FeatureWindow> windows;
  for (size_t i = 0; i < columns; ++i) {
    const auto& found = counts.features(static_cast<int>(i)).counts();
    windows.push_back({&profile.features(static_cast<int>(i)), {found.begin(), found.end()}});
  }
  v1::DriftTrigger trigger;
  trigger.set_psi(0.25);
  trigger.set_false_alarms(0.01);
  std::vector<std::string> alarms;
  for (const v1::Score& score : psi_scores(windows, trigger, 1'000))
    if (score.fired()) alarms.push_back(fmt::format("\"{}\"", score.feature()));
  return fmt::format(R"({{"profile_seconds":{},"live_seconds":{},"count_seconds":{},"alarms":[{}]}})",
                     profiled, since(live), counted, fmt::join(alarms, ","));
}

std::string run(int argc, char** argv) {
  CHECK(argc == 3 || argc == 5, "drift_bench DETECTOR FILE, or report FILE ROWS COLUMNS");
  const std::string what = argv[1];
  const std::vector<double> numbers = read(argv[2]);
  if (what == "report") return report(numbers, std::stoul(argv[3]), std::stoul(argv[4]));
  if (what == "adwin") return watch(Adwin(), numbers);
  if (what == "page_hinkley") return watch(PageHinkley(), numbers);
  CHECK(what == "kswin", "adwin, page_hinkley, kswin or report");
  return watch(Kswin(42), numbers);
}

}  // namespace
}  // namespace rekindle::drift

int main(int argc, char** argv) {
  std::puts(rekindle::drift::run(argc, argv).c_str());
  return 0;
}
