#include "trainer/gpu/gpu.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/log.h"
#include "trainer/gpu/plugin/plugin.h"

namespace rekindle::trainer {
namespace {

// The plugin's entry points; it stays loaded for the life of the process.
struct Plugin {
  decltype(&rekindle_gpu_stamp) stamp = nullptr;
  decltype(&rekindle_gpu_begin) begin = nullptr;
  decltype(&rekindle_gpu_graph) graph = nullptr;
  decltype(&rekindle_gpu_new_id) new_id = nullptr;
  decltype(&rekindle_gpu_open) open = nullptr;
};

template <typename Function>
bool find(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(::dlsym(library, name));
  return out != nullptr;
}

Result<Plugin> load(const fs::path& path) {
  if (::access(path.c_str(), R_OK) != 0) {
    return failed_precondition(
        "a GPU is wanted, but " + path.string() +
        " is not there: it belongs to the build (target rekindle_gpu) and lies in lib/ "
        "beside the programs' folder");
  }
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  if (library == nullptr) return failed_precondition(missing_library(::dlerror()));
  Plugin plugin;
  if (!find(library, "rekindle_gpu_stamp", plugin.stamp) ||
      !find(library, "rekindle_gpu_begin", plugin.begin) ||
      !find(library, "rekindle_gpu_graph", plugin.graph) ||
      !find(library, "rekindle_gpu_new_id", plugin.new_id) ||
      !find(library, "rekindle_gpu_open", plugin.open) || std::string_view(plugin.stamp()) != kGpuStamp) {
    return failed_precondition(path.string() +
                               " is of another build than this program: build or install both together");
  }
  return plugin;
}

// Of the plugin that is loaded.
MakeGraph graphs;

Status said(const char* doing, const char* problem, Status (*make)(std::string)) {
  return problem == nullptr ? ok_status() : make(std::string(doing) + ": " + problem);
}

// On the watching thread: the main one may wait for the lost peer inside a kernel.
void lost(const char* why) {
  log_error("the gang fell apart", {{"reason", why}});
  ::_exit(1);
}

Result<std::string> gang_id(const launch::AttemptFolder& folder, const v1::Plan& plan, const Plugin& plugin,
                            const Place& place, std::chrono::milliseconds limit) {
  if (place.rank != 0) return await_gang_id(folder, plan, limit);
  std::string id(kNcclIdBytes, '\0');
  TRY_STATUS(said("NCCL", plugin.new_id(id.data()), unavailable));
  TRY_STATUS(offer_gang_id(folder, plan, id));
  return id;
}

void set(const char* name, const std::string& value, bool replace) {
  ::setenv(name, value.c_str(), replace ? 1 : 0);
}

}  // namespace

const MakeGraph& gpu_graphs() {
  return graphs;
}

fs::path gpu_plugin_path() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return self.parent_path().parent_path() / "lib" / "librekindle_gpu.so";
}

std::string missing_library(const std::string& dlopen_error) {
  constexpr std::string_view kMissing = ": cannot open shared object file";
  const size_t end = dlopen_error.find(kMissing);
  if (end == std::string::npos) return "the GPU part cannot be loaded: " + dlopen_error;
  return "a GPU is wanted, but the library " + dlopen_error.substr(0, end) +
         " is missing: install the CUDA wheels that torch names (`./dev setup gpu`, or `pip install "
         "torch==2.11.0` with its dependencies where lib/site-packages points; docs/gpu.md)";
}

Status set_gpu_environment(const v1::Plan& plan, const Place& place) {
  const auto& devices = plan.devices();
  const int rank = place.rank;
  if (!devices.empty()) {
    if (rank >= devices.size()) {
      return failed_precondition("the plan names " + std::to_string(devices.size()) + " devices for " +
                                 std::to_string(plan.world()) + " ranks: one for each is needed");
    }
    set("CUDA_VISIBLE_DEVICES", devices[rank], true);
  }
  // Reproducible matrix products need a workspace of fixed size, named before cuBLAS is loaded.
  const auto& train = plan.spec().train();
  if (!train.has_deterministic() || train.deterministic()) set("CUBLAS_WORKSPACE_CONFIG", ":4096:8", false);
  if (place.one_host && !devices.empty() && std::count(devices.begin(), devices.end(), devices[rank]) > 1) {
    set("NCCL_HOSTID", plan.run() + "-" + std::to_string(plan.attempt()) + "-" + std::to_string(rank), true);
    // What NCCL takes for hosts are processes of this one.
    set("NCCL_SOCKET_IFNAME", "lo", false);
  }
  return ok_status();
}

Result<std::unique_ptr<Collectives>> open_gpu(const launch::AttemptFolder& folder, const v1::Plan& plan,
                                              const GpuOptions& options) {
  if (plan.gpus_per_rank() != 1) {
    return failed_precondition("a rank uses one GPU, the plan gives it " +
                               std::to_string(plan.gpus_per_rank()) +
                               ": set train.ranks.gpus to 1 and ask for more ranks");
  }
  const Place place = TRY(launched_place(plan));
  TRY_STATUS(set_gpu_environment(plan, place));
  const Plugin plugin = TRY(load(options.plugin.empty() ? gpu_plugin_path() : options.plugin));
  TRY_STATUS(
      said("a GPU is wanted, but this host has none that can be used", plugin.begin(), failed_precondition));
  graphs = [make = plugin.graph] {
    Graph* graph = nullptr;
    const char* problem = make(&graph);
    CHECK(problem == nullptr, "a graph is made of nothing");
    return std::unique_ptr<Graph>(graph);
  };
  if (place.world == 1) return lone_rank();
  const std::string id = TRY(gang_id(folder, plan, plugin, place, options.id_limit));
  if (id.size() != kNcclIdBytes) return data_loss("the NCCL id of rank 0 is damaged");
  Collectives* collectives = nullptr;
  TRY_STATUS(said("the ranks did not come together",
                  plugin.open(place.rank, place.world, id.data(), lost, &collectives), unavailable));
  return std::unique_ptr<Collectives>(collectives);
}

}  // namespace rekindle::trainer
