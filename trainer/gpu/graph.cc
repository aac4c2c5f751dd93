#include "trainer/gpu/graph.h"

#include <exception>

#include "base/log.h"

namespace rekindle::trainer {
namespace {

constexpr int kWarmUps = 3;  // as PyTorch asks for before a capture

}  // namespace

bool Repeated::run(const std::function<void()>& work) {
  if (graph_ == nullptr && make_ && times_ >= kWarmUps) record(work);
  if (graph_ != nullptr) {
    graph_->replay();
    return true;
  }
  ++times_;
  work();
  return false;
}

void Repeated::record(const std::function<void()>& work) {
  auto graph = make_();
  try {
    graph->record(work);
    graph_ = std::move(graph);
  } catch (const std::exception& error) {
    const std::string why = error.what();
    log_warning("a step cannot be recorded as a CUDA graph and is launched kernel by kernel",
                {{"reason", why.substr(0, why.find('\n'))}});
    make_ = nullptr;
  }
}

}  // namespace rekindle::trainer
