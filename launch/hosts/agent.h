// The launch agent of a pool: a program that, like ssh, takes a host's name and a command for a shell there.
//
// Nothing of a user's reaches it: paths of ours, numbers, and names that pools.yaml was checked for. Calls
// are bounded in time; several hosts are asked at once, a bounded number of them.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/hosts.pb.h"

namespace rekindle::launch {

// argv that runs `command` on the host.
std::vector<std::string> on_host(const v1::HostsPool& pool, const std::string& host,
                                 const std::vector<std::string>& command);

// What an agent has as environment: ours, bare, and where ssh finds its keys.
std::vector<std::string> agent_environment();

struct HostAnswer {
  std::string host;
  int code = 0;      // of the command
  std::string text;  // its last lines
  Status reached;    // not ok: the agent could not reach the host, or had no answer in time
};

// Within `answer_within`; ended early by `give_up`.
HostAnswer ask_host(const v1::HostsPool& pool, const std::string& host,
                    const std::vector<std::string>& command, const std::atomic<bool>* give_up = nullptr);

// So many hosts are asked at once.
inline constexpr size_t kHostsAtOnceMost = 32;

// Each of them once, and all answers in their order.
std::vector<HostAnswer> ask_hosts(const v1::HostsPool& pool, const std::vector<std::string>& hosts,
                                  const std::function<std::vector<std::string>(const std::string&)>& command,
                                  const std::atomic<bool>* give_up = nullptr);

}  // namespace rekindle::launch
