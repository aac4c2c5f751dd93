// librekindle_gpu.so as the ranks see it, on a host without a GPU: an id that is a name of shared memory,
// collectives over our window in it. REKINDLE_FAKE_GPU holds what begin is to answer.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "trainer/collectives/counted.h"
#include "trainer/collectives/shared_window.h"
#include "trainer/gpu/plugin/plugin.h"

namespace rekindle::trainer {
namespace {

constexpr size_t kBytes = 8 * SharedWindow::kSlotBytes;

class FakeRanks final : public Counted<SharedWindow> {
 public:
  FakeRanks(int rank, int world, const char* name)
      : Counted(rank, world, SharedWindow(rank, slots(name, world))), name_(name) {}
  ~FakeRanks() override { shm_unlink(name_.c_str()); }
  std::string describe() const override { return "fake"; }

 private:
  static std::vector<std::byte*> slots(const char* name, int world) {
    const int fd = shm_open(name, O_RDWR, 0600);
    auto* base = static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    std::vector<std::byte*> out;
    for (int r = 0; r < world; ++r) out.push_back(base + static_cast<size_t>(r) * SharedWindow::kSlotBytes);
    return out;
  }

  std::string name_;
};

}  // namespace
}  // namespace rekindle::trainer

const char* rekindle_gpu_stamp() {
  return rekindle::trainer::kGpuStamp;
}

const char* rekindle_gpu_begin() {
  return std::getenv("REKINDLE_FAKE_GPU");
}

const char* rekindle_gpu_graph(rekindle::trainer::Graph**) {
  return "this GPU records nothing";
}

const char* rekindle_gpu_new_id(char* id) {
  std::memset(id, 0, rekindle::trainer::kNcclIdBytes);
  std::snprintf(id, rekindle::trainer::kNcclIdBytes, "/rekindle-fake-%d", getpid());
  const int fd = shm_open(id, O_RDWR | O_CREAT | O_EXCL, 0600);
  const bool made = fd >= 0 && ftruncate(fd, rekindle::trainer::kBytes) == 0;
  close(fd);
  return made ? nullptr : "no shared memory";
}

const char* rekindle_gpu_open(int rank, int world, const char* id, void (*)(const char*),
                              rekindle::trainer::Collectives** out) {
  if (std::strncmp(id, "/rekindle-fake-", 15) != 0) return "an id that rank 0 never made";
  *out = new rekindle::trainer::FakeRanks(rank, world, id);
  return nullptr;
}
