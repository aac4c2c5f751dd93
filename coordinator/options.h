// What rekindled is told on its command line, parsed and checked once by main.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace rekindle::coordinator {

struct Options {
  std::filesystem::path state;
  std::filesystem::path artifacts;  // empty: STATE/artifacts
  std::filesystem::path pools;      // empty: STATE/pools.yaml
  std::filesystem::path shared;     // runs and environments, where compute nodes see them; empty: STATE
  std::string address = "127.0.0.1";
  uint16_t port = 0;                    // 0: any free one
  bool tls = false;                     // with the certificate of STATE/tls, made at first start
  std::vector<std::string> host_names;  // by which clients call this host
  uint32_t slots = 1;                   // ranks that may run at once on this host
  uint32_t gpus = 0;                    // numbered from 0, as CUDA does
  uint32_t threads_per_rank = 1;        // cores over slots
  // How often models on the wall clock are judged: much finer than a slot, much coarser than a commit.
  std::chrono::milliseconds judge_every{5'000};
  // Streams say something at least this often: proxies and clients cut what is silent for longer.
  std::chrono::milliseconds heartbeat{5'000};
  std::chrono::milliseconds attempt_poll{50};
  bool allow_faults = false;  // StartRunRequest.fault: tests only
  // Programs that attempts run; empty: beside rekindled itself.
  std::filesystem::path gang_program;
  std::filesystem::path trainer_program;
  net::ServerLimits limits;
};

inline constexpr std::string_view kVersion = REKINDLE_VERSION;

}  // namespace rekindle::coordinator
