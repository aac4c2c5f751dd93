#include "launch/command/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "jobs/task.h"
#include "proto/time.h"

namespace rekindle::launch {

std::vector<std::string> script_variables(const v1::Plan& plan, const WorkFolder& work,
                                          const RankIdentity& identity, const Meeting& meeting,
                                          std::vector<std::string> inherited) {
  const v1::Train& train = plan.spec().train();
  std::map<std::string, std::string> set = {
      {"RANK", std::to_string(identity.rank)},
      {"WORLD_SIZE", std::to_string(identity.world)},
      {"LOCAL_RANK", std::to_string(identity.local_rank)},
      {"LOCAL_WORLD_SIZE", std::to_string(identity.local_world)},
      {"MASTER_ADDR", meeting.address},
      {"MASTER_PORT", std::to_string(meeting.port)},
      {"REKINDLE_RUN", plan.run()},
      {"REKINDLE_ATTEMPT_NUMBER", std::to_string(plan.attempt())},
      {"REKINDLE_SEED", std::to_string(train.seed())},
      {"REKINDLE_SPEC", work.spec().string()},
      {"REKINDLE_CHECKPOINT", plan.checkpoints()},
      {"REKINDLE_CHECKPOINT_EVERY",
       std::to_string(std::chrono::duration_cast<Seconds>(from_proto(train.checkpoints().every())).count())},
      {"REKINDLE_METRICS", work.metrics(identity.rank).string()},
      {"PYTHONUNBUFFERED", "1"},  // a log that is read while the script runs
  };
  if (!jobs::is_task(plan.spec())) {
    set["REKINDLE_LABEL"] = plan.spec().data().label().column();
    set["REKINDLE_TIME"] = plan.spec().data().time();
    set["REKINDLE_TRAIN"] = work.train().string();
    set["REKINDLE_VALID"] = work.valid().string();
    set["REKINDLE_OUT"] = work.out().string();
  }
  if (plan.index() > 0) {
    set["REKINDLE_INDEX"] = std::to_string(plan.index());
    set["REKINDLE_COUNT"] = std::to_string(plan.count());
  }
  // All ranks on one host meet on its loopback; gloo and NCCL would look for an outer address.
  if (identity.local_world == identity.world) {
    set["GLOO_SOCKET_IFNAME"] = "lo";
    set["NCCL_SOCKET_IFNAME"] = "lo";
  }
  // As under torchrun: all of the host's, LOCAL_RANK says which.
  if (plan.devices_size() > 0) {
    std::vector<std::string> devices;
    for (const std::string& device : plan.devices())
      if (std::find(devices.begin(), devices.end(), device) == devices.end()) devices.push_back(device);
    set["CUDA_VISIBLE_DEVICES"] = fmt::format("{}", fmt::join(devices, ","));
  }
  std::erase_if(inherited,
                [&set](const std::string& entry) { return set.contains(entry.substr(0, entry.find('='))); });
  for (const auto& [name, value] : set) inherited.push_back(name + "=" + value);
  return inherited;
}

}  // namespace rekindle::launch
