#include "launch/hosts/agent.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <thread>

#include "base/process.h"
#include "base/text/shell.h"
#include "proto/time.h"
#include "runtime/capture.h"

namespace rekindle::launch {
namespace {

// ssh leaves with it when it could not connect.
constexpr int kNotReached = 255;

}  // namespace

std::vector<std::string> on_host(const v1::HostsPool& pool, const std::string& host,
                                 const std::vector<std::string>& command) {
  std::vector<std::string> argv(pool.agent().begin(), pool.agent().end());
  argv.push_back(host);
  argv.push_back(shell_line(command));
  return argv;
}

std::vector<std::string> agent_environment() {
  std::vector<std::string> out = bare_environment();
  if (const char* socket = ::getenv("SSH_AUTH_SOCK")) out.push_back(fmt::format("SSH_AUTH_SOCK={}", socket));
  return out;
}

HostAnswer ask_host(const v1::HostsPool& pool, const std::string& host,
                    const std::vector<std::string>& command, const std::atomic<bool>* give_up) {
  HostAnswer out;
  out.host = host;
  const auto limit = std::chrono::ceil<std::chrono::milliseconds>(from_proto(pool.answer_within()));
  const Result<runtime::Captured> ran = runtime::capture(on_host(pool, host, command), agent_environment(),
                                                         "/", {}, {.limit = limit, .give_up = give_up});
  if (!ran.ok()) {
    out.reached = ran.status();
    return out;
  }
  out.code = ran->code;
  out.text = runtime::last_lines(ran->tail, 3);
  if (ran->code == kNotReached)
    out.reached = unavailable(out.text.empty() ? fmt::format("{} left with 255", pool.agent(0)) : out.text);
  return out;
}

std::vector<HostAnswer> ask_hosts(const v1::HostsPool& pool, const std::vector<std::string>& hosts,
                                  const std::function<std::vector<std::string>(const std::string&)>& command,
                                  const std::atomic<bool>* give_up) {
  std::vector<HostAnswer> answers(hosts.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next++) < hosts.size();)
      answers[i] = ask_host(pool, hosts[i], command(hosts[i]), give_up);
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(hosts.size(), kHostsAtOnceMost); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return answers;
}

}  // namespace rekindle::launch
