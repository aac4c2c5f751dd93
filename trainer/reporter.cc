#include "trainer/reporter.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

namespace rekindle::trainer {

Result<std::unique_ptr<Reporter>> Reporter::open(const launch::AttemptFolder& folder, int rank,
                                                 std::string nonce) {
  auto writer = TRY(launch::ReportWriter::open(folder, rank));
  std::unique_ptr<Reporter> out(new Reporter(std::move(writer)));
  v1::Report report;
  auto* started = report.mutable_started();
  started->set_pid(getpid());
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  started->set_host(host);
  started->set_start_nonce(std::move(nonce));
  out->append(std::move(report));
  out->beat();
  out->thread_ = std::thread([reporter = out.get()] { reporter->serve(); });
  return out;
}

Reporter::~Reporter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  if (thread_.joinable()) thread_.join();
  beat();
}

void Reporter::append(v1::Report report) {
  report.set_time_us(to_micros(SystemClock().wall()));
  std::lock_guard lock(mutex_);
  auto status = writer_.append(report);
  if (status.ok() || failed_) return;
  failed_ = true;
  log_warning("reports are lost", {{"reason", status.message()}});
}

void Reporter::beat() {
  v1::Report report;
  auto* beat = report.mutable_beat();
  beat->set_phase(phase_.load());
  beat->set_step(step_.load());
  beat->set_progress(progress_.load());
  if (const auto* collectives = collectives_.load()) beat->set_collective(collectives->load());
  append(std::move(report));
}

void Reporter::serve() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
    lock.unlock();
    beat();
    lock.lock();
  }
}

void Reporter::progress(const v1::Progress& progress) {
  advance();
  v1::Report report;
  *report.mutable_progress() = progress;
  append(std::move(report));
}

void Reporter::metric(const std::string& name, uint64_t step, double value) {
  v1::Report report;
  auto* metric = report.mutable_metric();
  metric->set_name(name);
  metric->set_step(step);
  metric->set_value(value);
  append(std::move(report));
}

void Reporter::checkpoint(const v1::CheckpointCommitted& committed) {
  advance();
  v1::Report report;
  *report.mutable_checkpoint() = committed;
  append(std::move(report));
}

void Reporter::note(const std::string& text) {
  v1::Report report;
  report.mutable_note()->set_text(text);
  append(std::move(report));
}

}  // namespace rekindle::trainer
