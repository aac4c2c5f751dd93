#include "trainer/collectives/backend.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace rekindle::trainer {
namespace {

// Above this, a sum is overlapped with what the caller does next.
constexpr size_t kInlineBytes = 256u << 10;

using Tensors = std::vector<at::Tensor>;

// Complete when its future is; a failure inside an operation is a bug or the end of the gang. On a GPU it is
// complete once the operation is on its stream: who waits has its own stream wait for that one.
class DoneWork final : public c10d::Work {
 public:
  DoneWork(int rank, c10d::OpType type, Tensors outputs, std::vector<c10::Device> devices = {})
      : Work(rank, type),
        outputs_(std::move(outputs)),
        future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()),
                                                         std::move(devices))) {}

  bool isCompleted() override { return future_->completed(); }
  bool isSuccess() const override { return future_->completed() && !future_->hasError(); }
  bool wait(std::chrono::milliseconds) override {
    future_->wait();
    return true;
  }
  Tensors result() override { return outputs_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }
  void complete() { future_->markCompleted(c10::IValue(outputs_)); }

 private:
  Tensors outputs_;
  c10::intrusive_ptr<c10::ivalue::Future> future_;
};

std::span<std::byte> bytes_of(const at::Tensor& t) {
  TORCH_CHECK(t.is_contiguous() && t.device().is_cpu(), "collectives take contiguous tensors on the CPU");
  return {static_cast<std::byte*>(t.data_ptr()), t.nbytes()};
}

bool on_gpu(const Tensors& tensors) {
  return !tensors.empty() && tensors[0].is_cuda();
}

Element element_of(const at::Tensor& t) {
  switch (t.scalar_type()) {
    case at::kFloat:
      return Element::kFloat;
    case at::kDouble:
      return Element::kDouble;
    case at::kHalf:
      return Element::kHalf;
    case at::kBFloat16:
      return Element::kBfloat16;
    default:
      TORCH_CHECK(false, "sums on a GPU are of float, double, half or bfloat16");
  }
}

// Operations on GPU memory go to a stream of their own, so that backward goes on beside them: the stream
// starts from where the caller's is, and the future has whoever waits start from where it is.
class GpuStream {
 public:
  explicit GpuStream(c10::Device device)
      : guard_(device.type()), device_(device), stream_(guard_.getStreamFromGlobalPool(device)) {}

  void run(const Tensors& tensors, DoneWork& work, const std::function<void(const at::Tensor&)>& one) {
    c10::Event ready(device_.type());
    ready.record(guard_.getStream(device_));
    ready.block(stream_);
    c10::StreamGuard on(stream_);
    for (const auto& t : tensors) {
      TORCH_CHECK(t.is_contiguous() && t.device() == device_,
                  "collectives take contiguous tensors of one GPU");
      one(t);
      // The allocator must not hand out the memory again before this stream is done with it.
      guard_.recordDataPtrOnStream(t.storage().data_ptr(), stream_);
    }
    work.complete();
  }

 private:
  c10::impl::VirtualGuardImpl guard_;
  c10::Device device_;
  c10::Stream stream_;
};

class CollectivesBackend final : public c10d::Backend {
 public:
  explicit CollectivesBackend(Collectives& collectives)
      : Backend(collectives.rank(), collectives.size()),
        collectives_(collectives),
        thread_([this] { serve(); }) {}

  ~CollectivesBackend() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  const std::string getBackendName() const override { return "rekindle"; }

  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    TORCH_CHECK(options.reduceOp == c10d::ReduceOp::SUM, "only sums are reduced");
    if (on_gpu(tensors)) {
      return on_stream(c10d::OpType::ALLREDUCE, tensors,
                       [this](const at::Tensor& t) { trainer::sum(collectives_, t); });
    }
    return submit(c10d::OpType::ALLREDUCE, tensors, tensors, [this](const Tensors& all) {
      for (const auto& t : all) trainer::sum(collectives_, t);
    });
  }

  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    const int root = static_cast<int>(options.rootRank);
    if (on_gpu(tensors)) {
      return on_stream(c10d::OpType::BROADCAST, tensors, [this, root](const at::Tensor& t) {
        collectives_.broadcast_on_gpu(t.data_ptr(), t.nbytes(), root);
      });
    }
    return submit(c10d::OpType::BROADCAST, tensors, tensors, [this, root](const Tensors& all) {
      for (const auto& t : all) collectives_.broadcast(bytes_of(t), root);
    });
  }

  c10::intrusive_ptr<c10d::Work> allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                           const c10d::AllgatherOptions&) override {
    TORCH_CHECK(outputs.size() == 1 && inputs.size() == 1, "one tensor per rank is gathered");
    return submit(c10d::OpType::ALLGATHER, inputs, outputs[0], [this, to = outputs[0]](const Tensors& all) {
      auto mine = bytes_of(all[0]);
      std::vector<std::byte> buffer(mine.size() * to.size());
      collectives_.gather(mine, buffer);
      for (size_t r = 0; r < to.size(); ++r) {
        std::copy_n(buffer.data() + r * mine.size(), mine.size(), bytes_of(to[r]).data());
      }
    });
  }

  c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions&) override {
    return submit(c10d::OpType::BARRIER, {}, {}, [this](const Tensors&) { collectives_.barrier(); });
  }

 private:
  struct Pending {
    c10::intrusive_ptr<DoneWork> work;
    Tensors inputs;
    std::function<void(const Tensors&)> run;
  };

  c10::intrusive_ptr<c10d::Work> on_stream(c10d::OpType type, const Tensors& tensors,
                                           const std::function<void(const at::Tensor&)>& one) {
    const c10::Device device = tensors[0].device();
    if (!gpu_) gpu_.emplace(device);
    auto work = c10::make_intrusive<DoneWork>(getRank(), type, tensors, std::vector<c10::Device>{device});
    gpu_->run(tensors, *work, one);
    return work;
  }

  c10::intrusive_ptr<c10d::Work> submit(c10d::OpType type, Tensors inputs, Tensors outputs,
                                        std::function<void(const Tensors&)> run) {
    size_t bytes = 0;
    for (const auto& t : inputs) bytes += t.nbytes();
    auto work = c10::make_intrusive<DoneWork>(getRank(), type, std::move(outputs));
    std::unique_lock lock(mutex_);
    if (bytes <= kInlineBytes && queue_.empty() && !busy_) {
      lock.unlock();
      run(inputs);
      work->complete();
      return work;
    }
    queue_.push_back({work, std::move(inputs), std::move(run)});
    lock.unlock();
    wake_.notify_one();
    return work;
  }

  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Pending next = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      next.run(next.inputs);
      lock.lock();
      busy_ = false;
      lock.unlock();
      next.work->complete();
      next = {};
      lock.lock();
    }
  }

  Collectives& collectives_;
  std::optional<GpuStream> gpu_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Pending> queue_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

template <typename T>
void sum_halves_of(Collectives& collectives, std::span<T> values) {
  constexpr size_t kRound = 1u << 20;  // values at a time: all ranks' copies of them are held
  const auto ranks = static_cast<size_t>(collectives.size());
  std::vector<T> all(std::min(kRound, values.size()) * ranks);
  for (size_t at = 0; at < values.size(); at += kRound) {
    auto mine = values.subspan(at, std::min(kRound, values.size() - at));
    const size_t n = mine.size();
    collectives.gather(std::as_bytes(mine), std::as_writable_bytes(std::span(all).first(n * ranks)));
    for (size_t i = 0; i < n; ++i) {
      float sum = static_cast<float>(all[i]);
      for (size_t r = 1; r < ranks; ++r) sum += static_cast<float>(all[r * n + i]);
      mine[i] = static_cast<T>(sum);
    }
  }
}

}  // namespace

void sum(Collectives& collectives, const at::Tensor& t) {
  const auto count = static_cast<size_t>(t.numel());
  if (t.is_cuda()) return collectives.sum_on_gpu(t.data_ptr(), count, element_of(t));
  bytes_of(t);  // refuses what is no contiguous memory of the CPU
  switch (t.scalar_type()) {
    case at::kFloat:
      return collectives.sum(std::span(t.data_ptr<float>(), count));
    case at::kDouble:
      return collectives.sum(std::span(t.data_ptr<double>(), count));
    case at::kHalf:
      return sum_halves_of(collectives, std::span(t.data_ptr<at::Half>(), count));
    case at::kBFloat16:
      return sum_halves_of(collectives, std::span(t.data_ptr<at::BFloat16>(), count));
    default:
      TORCH_CHECK(false, "sums are of float, double, half or bfloat16");
  }
}

c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(Collectives& collectives) {
  auto group = c10::make_intrusive<c10d::ProcessGroup>(collectives.rank(), collectives.size());
  auto backend = c10::make_intrusive<CollectivesBackend>(collectives);
  group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::CUSTOM, backend);
  if (collectives.on_gpu())
    group->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::CUSTOM, backend);
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::CUSTOM);
  return group;
}

}  // namespace rekindle::trainer
