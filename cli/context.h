// What every verb shares: the global options, where the coordinator is, and a connection to it.
// Environment and flags are read here and in main alone.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/client.h"

namespace rekindle::cli {

namespace fs = std::filesystem;

struct Context {
  // As given; empty: from the environment, then the state folder.
  std::string server;
  std::string state;
  std::string token_file;
  std::string authority;
  bool json = false;
  bool quiet = false;

  // --state, $REKINDLE_STATE, $XDG_STATE_HOME/rekindle, ~/.local/state/rekindle.
  fs::path state_folder() const;
  // $XDG_CACHE_HOME/rekindle, ~/.cache/rekindle: what can be made again.
  fs::path cache_folder() const;
  // --server, $REKINDLE_SERVER, or what STATE/address says. unavailable, with what to do, when none does.
  Result<std::string> server_url() const;
  Result<std::string> token() const;  // of --token-file, else STATE/token
  // PEM file of the authority that https servers prove themselves by: --ca, $REKINDLE_CA, else
  // STATE/tls/ca.pem where it is; empty: those that this host trusts.
  std::string authority_file() const;
  Result<net::ConnectClient> connect() const;

  void say(std::string_view text) const;  // to standard output, unless --quiet or --json
};

// One call on a connection of its own: what most verbs need.
template <typename Response, typename Request>
Result<Response> call(const Context& context, std::string_view method, const Request& request,
                      net::Deadline deadline = net::Deadline(30'000)) {
  net::ConnectClient client = TRY(context.connect());
  return client.call<Request, Response>(method, request, deadline);
}

// A chosen verb, run after the whole command line was understood. Answers the exit code.
using Verb = std::function<Result<int>()>;

}  // namespace rekindle::cli
