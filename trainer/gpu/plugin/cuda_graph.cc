#include "trainer/gpu/plugin/cuda_graph.h"

#include <exception>

namespace rekindle::trainer {

void CudaGraph::record(const std::function<void()>& work) {
  // Other threads copy checkpoints and watch the ranks meanwhile: only this one is held to what can be
  // recorded.
  graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  std::exception_ptr failed;
  try {
    work();
  } catch (...) {
    failed = std::current_exception();
  }
  try {
    graph_.capture_end();
  } catch (...) {
    // What broke the recording says more than that it is broken.
    if (!failed) failed = std::current_exception();
  }
  if (failed) std::rethrow_exception(failed);
}

}  // namespace rekindle::trainer
