#include "trainer/fit/pace.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace rekindle::trainer {
namespace {

constexpr std::chrono::milliseconds kReportEvery{500};
constexpr double kLeastSeconds = 1e-9;

}  // namespace

void Pace::start(double seconds_before) {
  before_ = seconds_before;
  begun_ = reported_ = Clock::now();
}

double Pace::seconds() const {
  return before_ + here();
}

double Pace::rows_per_second() const {
  return static_cast<double>(rows_) / std::max(kLeastSeconds, here());
}

bool Pace::due() const {
  return Clock::now() - reported_ >= kReportEvery;
}

void Pace::describe(uint64_t steps_left, v1::Progress& progress) {
  reported_ = Clock::now();
  progress.set_rows_per_second(rows_per_second());
  progress.set_memory_bytes(resident_bytes());
  if (steps_ > 0)
    progress.set_eta_seconds(here() / static_cast<double>(steps_) * static_cast<double>(steps_left));
}

uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace rekindle::trainer
