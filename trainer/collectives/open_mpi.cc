#include <mpi.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "trainer/collectives/counted.h"
#include "trainer/collectives/messages.h"
#include "trainer/collectives/shared_window.h"

namespace rekindle::trainer {
namespace {

std::string library() {
  return "Open MPI " + std::to_string(OMPI_MAJOR_VERSION) + "." + std::to_string(OMPI_MINOR_VERSION) + "." +
         std::to_string(OMPI_RELEASE_VERSION);
}

// Ranks on one host: MPI brings them together, the window does the work.
class WindowCollectives final : public Counted<SharedWindow> {
 public:
  WindowCollectives(int rank, int size, MPI_Win window, std::vector<std::byte*> slots)
      : Counted(rank, size, SharedWindow(rank, std::move(slots))),
        handle_(window),
        thread_(std::this_thread::get_id()) {}
  ~WindowCollectives() override {
    CHECK(thread_ == std::this_thread::get_id(), "MPI ends on the thread that began it");
    MPI_Win_free(&handle_);
    MPI_Finalize();
  }
  std::string describe() const override { return "shared window of " + library(); }

 private:
  MPI_Win handle_;
  std::thread::id thread_;
};

class MessageCollectives final : public Counted<Messages> {
 public:
  MessageCollectives(int rank, int size)
      : Counted(rank, size, Messages(rank, size)), thread_(std::this_thread::get_id()) {}
  ~MessageCollectives() override {
    CHECK(thread_ == std::this_thread::get_id(), "MPI ends on the thread that began it");
    MPI_Finalize();
  }
  std::string describe() const override { return "messages of " + library(); }

 private:
  std::thread::id thread_;
};

// The slots of all ranks in one window, each zeroed by its owner.
std::vector<std::byte*> open_window(int size, MPI_Comm host, MPI_Win& window) {
  MPI_Info info;
  MPI_Info_create(&info);
  MPI_Info_set(info, "alloc_shared_noncontig", "true");  // each slot on a page of its own
  std::byte* own = nullptr;
  constexpr size_t kLine = 64;
  MPI_Win_allocate_shared(static_cast<MPI_Aint>(SharedWindow::kSlotBytes + kLine), 1, info, host, &own,
                          &window);
  MPI_Info_free(&info);
  // MPI's own header shifts all slots by the same odd amount, in all processes alike: they map whole pages.
  auto aligned = [](void* base) {
    const auto address = reinterpret_cast<uintptr_t>(base);
    return reinterpret_cast<std::byte*>((address + kLine - 1) / kLine * kLine);
  };
  std::vector<std::byte*> slots;
  for (int r = 0; r < size; ++r) {
    MPI_Aint bytes = 0;
    int unit = 0;
    void* base = nullptr;
    MPI_Win_shared_query(window, r, &bytes, &unit, &base);
    slots.push_back(aligned(base));
  }
  std::memset(aligned(own), 0, kLine);
  return slots;
}

}  // namespace

Result<std::unique_ptr<Collectives>> open_mpi(int world, Transport transport) {
  // Serialized: the communication thread and the main one call MPI, never both at once.
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) {
    return unavailable("MPI could not be initialised; see the rank's log");
  }
  int rank = 0, size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size != world || provided < MPI_THREAD_SERIALIZED) {
    MPI_Finalize();
    if (size == world)
      return failed_precondition("this MPI cannot be called from a second thread (MPI_THREAD_SERIALIZED)");
    return failed_precondition("the plan wants " + std::to_string(world) + " ranks, but " +
                               std::to_string(size) + " were started: launch the gang with rekindle-gang");
  }
  MPI_Comm host;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host);
  int here = 0;
  MPI_Comm_size(host, &here);
  int least = 0;
  MPI_Allreduce(&here, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  std::unique_ptr<Collectives> out;
  if (least == size && transport == Transport::kBest) {
    MPI_Win window;
    auto slots = open_window(size, host, window);
    MPI_Barrier(MPI_COMM_WORLD);
    out = std::make_unique<WindowCollectives>(rank, size, window, std::move(slots));
  } else {
    out = std::make_unique<MessageCollectives>(rank, size);
  }
  MPI_Comm_free(&host);
  return out;
}

}  // namespace rekindle::trainer
