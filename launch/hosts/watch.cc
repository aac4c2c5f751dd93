#include "launch/hosts/watch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "launch/hosts/agent.h"
#include "launch/hosts/parts.h"
#include "proto/time.h"

namespace rekindle::launch {
namespace {

int64_t now_us() {
  return to_micros(SystemClock().wall());
}

}  // namespace

HostWatch::HostWatch(v1::HostsPool pool, std::string gang) : pool_(std::move(pool)), gang_(std::move(gang)) {
  for (const v1::Host& host : pool_.inventory()) heard_[host.name()].sight.node = host.name();
  for (size_t i = 0; i < std::min(heard_.size(), kHostsAtOnceMost); ++i)
    threads_.emplace_back([this] { loop(); });
}

HostWatch::~HostWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  give_up_ = true;
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::vector<NodeSight> HostWatch::sights() const {
  std::lock_guard lock(mutex_);
  std::vector<NodeSight> out;
  for (const v1::Host& host : pool_.inventory()) out.push_back(heard_.at(host.name()).sight);
  return out;
}

void HostWatch::doubt(const std::string& host, int64_t lost_us, const std::string& why) {
  std::lock_guard lock(mutex_);
  const auto found = heard_.find(host);
  if (found == heard_.end() || found->second.sight.answered_us >= lost_us) return;
  found->second.misses = std::max(found->second.misses, pool_.misses());
  found->second.sight.kind = NodeSight::kSilent;
  found->second.sight.missed = true;
  found->second.sight.detail = why;
}

std::map<std::string, HostWatch::Heard>::iterator HostWatch::next() {
  auto out = heard_.end();
  for (auto one = heard_.begin(); one != heard_.end(); ++one)
    if (!one->second.asked && (out == heard_.end() || one->second.due < out->second.due)) out = one;
  return out;
}

void HostWatch::loop() {
  const std::vector<std::string> question = host_command(
      gang_, {.part = "answer", .folder = {}, .scratch = {}, .trainer = {}, .host = {}, .nonce = {}});
  const auto pause = std::chrono::ceil<std::chrono::milliseconds>(from_proto(pool_.probe()));
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto one = next();
    const Instant now = std::chrono::steady_clock::now();
    if (one == heard_.end() || one->second.due > now) {
      // Another thread may have taken it by then.
      wake_.wait_until(lock, one == heard_.end() ? now + pause : one->second.due);
      continue;
    }
    one->second.asked = true;
    one->second.due = now + pause;
    lock.unlock();
    const int64_t asked_us = now_us();
    const HostAnswer answer = ask_host(pool_, one->first, question, &give_up_);
    lock.lock();
    one->second.asked = false;
    if (stopping_) return;  // it may have been broken off
    const bool there = answer.reached.ok();
    hear(one->second, asked_us, there && answer.code == 0,
         there ? fmt::format("{} left with {}: {}", gang_, answer.code, answer.text)
               : answer.reached.message());
  }
}

void HostWatch::hear(Heard& heard, int64_t asked_us, bool answered, const std::string& why) {
  const NodeSight before = heard.sight;
  heard.misses = answered ? 0 : heard.misses + 1;
  heard.sight.missed = !answered;
  heard.sight.detail = answered ? "" : why;
  if (answered) {
    // When it was asked: what happened to it since, it may not have known.
    heard.sight.answered_us = asked_us;
    heard.sight.kind = NodeSight::kAnswers;
  } else if (heard.misses >= pool_.misses()) {
    heard.sight.kind = NodeSight::kSilent;
    if (before.kind == NodeSight::kSilent) heard.sight.detail = before.detail;
  }
  if (before.kind == heard.sight.kind) return;
  if (answered)
    log_info("host answers", {{"host", heard.sight.node}});
  else
    log_warning("host does not answer",
                {{"host", heard.sight.node}, {"misses", heard.misses}, {"reason", why}});
}

}  // namespace rekindle::launch
