// main of a test binary that is also the program of its ranks (run_ranks.h).
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "run_ranks.h"

int main(int argc, char** argv) {
  constexpr const char* kFlag = "--rank-body=";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kFlag, std::strlen(kFlag)) != 0) continue;
    auto& bodies = rekindle::trainer::rank_bodies();
    const auto body = bodies.find(argv[i] + std::strlen(kFlag));
    const std::string problem = body == bodies.end() ? "no such body" : body->second();
    if (!problem.empty()) std::fprintf(stderr, "rank failed: %s\n", problem.c_str());
    return problem.empty() ? 0 : 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
