// trainer_collectives_bench TRANSPORT [BYTES ...], started by mpirun: how long a sum of floats takes.
//
//   window     our shared window        (all ranks on one host)
//   messages   our messages             (ranks anywhere)
//   allreduce  MPI_Allreduce, the same values and sizes
//
// Rank 0 prints one JSON object: for every size the median and the least microseconds of a sum over several
// samples, each long enough to be timed, and the memcpy rate of all ranks at once, which bounds them all.
// Run each transport several times, in turn with what it is compared with; one run says little.
#include <mpi.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {
namespace {

constexpr int kSamples = 9;
constexpr double kSampleSeconds = 0.03;
constexpr int kRoundsMax = 20'000;
const std::vector<size_t> kSizes = {40,         1u << 10, 16u << 10, 64u << 10,
                                    256u << 10, 1u << 20, 8u << 20,  64u << 20};

using Sum = std::function<void(std::span<float>)>;

double seconds_of(const std::function<void()>& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// Rank 0's clock decides for all, so that every rank does the same number of rounds.
int rounds_for(Collectives& ranks, const std::function<void()>& once) {
  int rounds = 1;
  while (true) {
    ranks.barrier();
    const double took = seconds_of([&] {
      for (int i = 0; i < rounds; ++i) once();
    });
    int next = rounds;
    if (took < kSampleSeconds / 2)
      next = std::min<int>(kRoundsMax, rounds * (took > 1e-4 ? std::max(2.0, kSampleSeconds / took) : 10));
    ranks.broadcast(std::as_writable_bytes(std::span(&next, 1)), 0);
    if (next == rounds) return rounds;
    rounds = next;
  }
}

struct Timed {
  double median_us, least_us;
};

Timed time_sum(Collectives& ranks, const Sum& sum, size_t bytes) {
  std::vector<float> values(bytes / sizeof(float), 0.0f);  // zeros stay zeros however often they are added
  const auto once = [&] { sum(values); };
  once();
  const int rounds = rounds_for(ranks, once);
  std::vector<double> us;
  for (int s = 0; s < kSamples; ++s) {
    ranks.barrier();
    us.push_back(1e6 / rounds * seconds_of([&] {
                   for (int i = 0; i < rounds; ++i) once();
                 }));
  }
  std::sort(us.begin(), us.end());
  return {us[kSamples / 2], us[0]};
}

bool adds_up(const Collectives& ranks, const Sum& sum, size_t bytes) {
  std::vector<float> values(bytes / sizeof(float));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(ranks.rank() + 1 + i % 8);
  sum(values);
  const int n = ranks.size();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != static_cast<float>(n * (n + 1) / 2 + n * static_cast<int>(i % 8))) return false;
  }
  return true;
}

double memcpy_gigabytes_per_second(Collectives& ranks) {
  constexpr size_t kBytes = 64u << 20;
  std::vector<char> from(kBytes, 1), to(kBytes, 2);
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    ranks.barrier();
    best = std::min(best, seconds_of([&] { std::memcpy(to.data(), from.data(), kBytes); }));
  }
  return to[kBytes - 1] == 1 ? kBytes / best / 1e9 : 0;
}

int bench(std::string_view transport, const std::vector<size_t>& sizes) {
  const char* world = std::getenv("OMPI_COMM_WORLD_SIZE");
  auto opened = open_mpi(world ? std::atoi(world) : 1,
                         transport == "messages" ? Transport::kMessages : Transport::kBest);
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().to_string().c_str());
    return 1;
  }
  Collectives& ranks = **opened;
  Sum sum = [&](std::span<float> v) { ranks.sum(v); };
  if (transport == "allreduce") {
    sum = [](std::span<float> v) {
      MPI_Allreduce(MPI_IN_PLACE, v.data(), static_cast<int>(v.size()), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    };
  }
  const bool first = ranks.rank() == 0;
  const double copied = memcpy_gigabytes_per_second(ranks);
  if (first) {
    std::printf("{\"transport\":\"%.*s\",\"library\":\"%s\",\"ranks\":%d,\"memcpy_gb_per_s\":%.2f,\"sums\":[",
                static_cast<int>(transport.size()), transport.data(), ranks.describe().c_str(), ranks.size(),
                copied);
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!adds_up(ranks, sum, sizes[i])) {
      std::fprintf(stderr, "rank %d: a sum of %zu bytes is wrong\n", ranks.rank(), sizes[i]);
      return 1;
    }
    const Timed timed = time_sum(ranks, sum, sizes[i]);
    if (first) {
      std::printf("%s{\"bytes\":%zu,\"median_us\":%.3f,\"least_us\":%.3f}", i ? "," : "", sizes[i],
                  timed.median_us, timed.least_us);
    }
  }
  if (first) std::printf("]}\n");
  return 0;
}

std::optional<size_t> number(std::string_view text) {
  size_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < sizeof(float)) return std::nullopt;
  return out;
}

int run(int argc, char** argv) {
  const std::string_view transport = argc > 1 ? argv[1] : "";
  std::vector<size_t> sizes;
  bool known = transport == "window" || transport == "messages" || transport == "allreduce";
  for (int i = 2; i < argc; ++i) {
    const auto bytes = number(argv[i]);
    known = known && bytes;
    sizes.push_back(bytes.value_or(0));
  }
  if (!known) {
    std::fprintf(stderr,
                 "usage: mpirun -n RANKS trainer_collectives_bench window|messages|allreduce [BYTES ...]\n");
    return 2;
  }
  return bench(transport, sizes.empty() ? kSizes : sizes);
}

}  // namespace
}  // namespace rekindle::trainer

int main(int argc, char** argv) {
  return rekindle::trainer::run(argc, argv);
}
