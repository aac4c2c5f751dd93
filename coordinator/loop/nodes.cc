#include "coordinator/loop/nodes.h"

#include <algorithm>
#include <set>
#include <utility>

namespace rekindle::coordinator {

void Nodes::forgive_own_pause() const {
  const auto now = clock_.monotonic();
  const auto pause = now - std::exchange(awake_, now);
  if (pause <= kOwnPause) return;
  for (auto& [key, heard] : heard_) heard.at += pause;
  for (auto& [model, until] : presumed_) until += pause;
}

void Nodes::presume(std::vector<std::string> models) {
  forgive_own_pause();
  for (std::string& model : models) presumed_[std::move(model)] = clock_.monotonic() + kNodeLive;
}

void Nodes::report(v1::NodeReport report) {
  forgive_own_pause();
  presumed_.erase(report.model());
  auto key = std::pair(report.model(), report.node());
  heard_[std::move(key)] = Heard{std::move(report), clock_.monotonic()};
}

bool Nodes::expire() {
  forgive_own_pause();
  size_t before = heard_.size() + presumed_.size();
  std::erase_if(heard_, [this](const auto& item) { return !alive(item.second); });
  std::erase_if(presumed_, [this](const auto& item) { return clock_.monotonic() >= item.second; });
  return heard_.size() + presumed_.size() != before;
}

std::vector<v1::NodeReport> Nodes::live(const std::string& model) const {
  forgive_own_pause();
  std::vector<v1::NodeReport> out;
  for (const auto& [key, heard] : heard_)
    if ((model.empty() || key.first == model) && alive(heard)) out.push_back(heard.report);
  return out;
}

size_t Nodes::live_count() const {
  forgive_own_pause();
  std::set<std::string> names;
  for (const auto& [key, heard] : heard_)
    if (alive(heard)) names.insert(key.second);
  return names.size();
}

std::map<std::string, registry::ServingView> Nodes::views() const {
  forgive_own_pause();
  std::map<std::string, std::vector<v1::NodeReport>> by_model;
  for (const auto& [key, heard] : heard_)
    if (alive(heard)) by_model[key.first].push_back(heard.report);
  std::map<std::string, registry::ServingView> out;
  for (const auto& [model, reports] : by_model) out[model] = registry::view_of(reports);
  for (const auto& [model, until] : presumed_)
    if (presumed(model)) out[model].nodes = std::max(out[model].nodes, 1u);
  return out;
}

bool Nodes::presumed(const std::string& model) const {
  forgive_own_pause();
  auto it = presumed_.find(model);
  return it != presumed_.end() && clock_.monotonic() < it->second;
}

std::optional<int64_t> Nodes::newest_event_us(const std::string& model) const {
  forgive_own_pause();
  std::optional<int64_t> least;
  for (const auto& [key, heard] : heard_) {
    if (key.first != model || !alive(heard) || heard.report.idle()) continue;
    int64_t newest = heard.report.newest_event_us();
    least = least ? std::min(*least, newest) : newest;
  }
  return least;
}

}  // namespace rekindle::coordinator
