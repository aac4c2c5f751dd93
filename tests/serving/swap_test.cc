// Swaps under load: every request is answered, wholly by the version that the answer names.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/hash.h"
#include "fake_coordinator.h"
#include "models/oip/exact_json.h"
#include "running_node.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

constexpr int kClients = 3;
constexpr int kSwaps = 40;

double probability_of(uint64_t version) {
  return 1.0 / static_cast<double>(version + 1);
}

struct Load {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> mixed{0};
  std::atomic<uint64_t> newest{0};
};

// One client's thread: its answers must all be of the one version that they name.
void ask(const std::string& url, int client_number, Load& load) {
  net::HttpClient client = http_client(url, kServingToken);
  for (int i = 0; !load.stop; ++i) {
    const net::Reply reply = post(client, "/v2/models/m/infer",
                                  infer_body(std::to_string(client_number) + "-" + std::to_string(i), 5));
    if (reply.status != 200) {
      ++load.failed;
      continue;
    }
    const auto json = models::parse_exact(reply.body, 8, {});
    const uint64_t version = std::stoull(std::string(json->at("model_version").as_string()));
    for (const auto& value : json->at("outputs").at(0).at("data").as_array())
      if (value.to_number<double>() != probability_of(version)) ++load.mixed;
    ++load.answered;
    if (load.newest < version) load.newest = version;
  }
}

TEST(Swap, NoRequestIsLostOrMixed) {
  TempFolder state;
  FakeCoordinator coordinator;
  NodeOptions options = node_options(coordinator.url(), state.path());
  options.load = [](const std::string& model, const v1::PlannedVersion& planned) -> Result<VersionPtr> {
    if (planned.version() % 10 == 7) return data_loss("damaged");
    return constant_version(model, planned.version(), probability_of(planned.version()));
  };
  coordinator.set_plan(plan_of("m", 1, {{1, 10'000}}));
  RunningNode node(std::move(options));
  ASSERT_TRUE(coordinator.wait_in_force("m", 1));
  Load load;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) clients.emplace_back(ask, node.url(), i, std::ref(load));
  uint64_t serving = 1;
  for (uint64_t next = 2; next < kSwaps; ++next) {
    coordinator.set_plan(plan_of("m", 2 * next, {{serving, 9'000}, {next, 1'000}}));
    if (next % 10 == 7) {
      EXPECT_TRUE(coordinator.wait([&](FakeCoordinator& self) {
        const v1::NodeReport& report = self.reports["m"];
        return report.versions_size() == 2 && report.versions(1).version() == next &&
               report.versions(1).state() == v1::VersionHealth::FAILED;
      }));
      continue;
    }
    EXPECT_TRUE(coordinator.wait_in_force("m", 2 * next));
    coordinator.set_plan(plan_of("m", 2 * next + 1, {{next, 10'000}}));
    EXPECT_TRUE(coordinator.wait_in_force("m", 2 * next + 1));
    serving = next;
  }
  load.stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(load.failed, 0u);
  EXPECT_EQ(load.mixed, 0u);
  EXPECT_GT(load.answered, 500u);
  EXPECT_GT(load.newest, kSwaps - 5u);
  // Each one was recorded once, by its version.
  net::ConnectClient client(node.url(), kOperatorToken);
  ASSERT_TRUE((client.call<v1::FlushRequest, v1::FlushResponse>("rekindle.v1.NodeService/Flush", {}).ok()));
  coordinator.wait([&](FakeCoordinator& self) {
    EXPECT_EQ(self.requests(), load.answered);
    EXPECT_EQ(self.counted_rows(), static_cast<int64_t>(5 * load.answered));
    for (const v1::EventBatch& batch : self.batches)
      for (const v1::RequestRecord& request : batch.requests())
        EXPECT_EQ(request.predictions(0), probability_of(request.version()));
    return true;
  });
}

}  // namespace
}  // namespace rekindle::serving::testing
