// Work on a GPU that is done again and again on the same tensors, as one launch.
//
// A step of a small model is a few dozen kernels of some microseconds each; to launch them one by one takes
// longer than to run them. A CUDA graph is recorded once and launched whole.
#pragma once

#include <functional>
#include <memory>

namespace rekindle::trainer {

class Graph {
 public:
  virtual ~Graph() = default;
  // Records what `work` would put on this thread's stream; nothing of it is done. Throws what `work` throws,
  // or LibTorch's error where something in it cannot be recorded (a wait for the GPU, say).
  virtual void record(const std::function<void()>& work) = 0;
  // Does it, on this thread's stream.
  virtual void replay() = 0;
};
// Empty: there is no GPU, or nothing is to be recorded.
using MakeGraph = std::function<std::unique_ptr<Graph>()>;

// Runs `work` as it is at first, while libraries choose their kernels and make their buffers; then records it
// and repeats the record. What cannot be recorded goes on as it is, and the log says why.
class Repeated {
 public:
  explicit Repeated(MakeGraph make) : make_(std::move(make)) {}

  // `work` must be the same each time: the same kernels on the same memory. True: it was repeated from the
  // record, so nothing that `work` does on the host was done.
  bool run(const std::function<void()>& work);
  bool recorded() const { return graph_ != nullptr; }

 private:
  void record(const std::function<void()>& work);

  MakeGraph make_;
  std::unique_ptr<Graph> graph_;
  int times_ = 0;
};

}  // namespace rekindle::trainer
