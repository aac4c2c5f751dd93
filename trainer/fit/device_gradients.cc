#include "trainer/fit/device_gradients.h"

#include <bit>
#include <cstring>
#include <utility>

#pragma push_macro("CHECK")
#undef CHECK
#include <torch/csrc/autograd/autograd.h>
#undef CHECK
#pragma pop_macro("CHECK")

#include "trainer/collectives/backend.h"
#include "trainer/fit/autocast.h"
#include "trainer/fit/figures.h"
#include "trainer/gpu/device.h"

namespace rekindle::trainer {
namespace {

constexpr size_t kShapesMax = 16;  // each keeps the memory of a step
constexpr size_t kAlign = 256;

size_t aligned(size_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

at::Tensor pinned(size_t bytes) {
  return at::empty({static_cast<int64_t>(bytes)}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
}

}  // namespace

// Batches of equal shapes go through the same memory, pinned on the host and on the GPU: the figures, then
// the batch.
struct DeviceGradients::Shape {
  Shape(const Batch& like, at::Device device, const MakeGraph& graphs) : launch(graphs) {
    size_t bytes = aligned(sizeof(StepFigures));
    for (const auto& tensor : like) {
      begins.push_back(bytes);
      bytes += aligned(tensor.nbytes());
    }
    on_host = pinned(bytes);
    on_device = at::empty_like(on_host, at::TensorOptions().device(device).pinned_memory(false));
    figures = view(0, at::kFloat, {FlatParameters::kSpare});
    for (size_t i = 0; i < like.size(); ++i)
      batch.push_back(view(begins[i], like[i].scalar_type(), like[i].sizes()));
  }

  at::Tensor view(size_t begin, at::ScalarType type, at::IntArrayRef sizes) const {
    const auto bytes =
        static_cast<int64_t>(c10::multiply_integers(sizes)) * static_cast<int64_t>(c10::elementSize(type));
    return on_device.narrow(0, static_cast<int64_t>(begin), bytes).view(type).view(sizes);
  }

  void fill(const Batch& from, const StepFigures& numbers) {
    auto* to = on_host.mutable_data_ptr<uint8_t>();
    std::memcpy(to, numbers.data(), sizeof(numbers));
    for (size_t i = 0; i < from.size(); ++i)
      std::memcpy(to + begins[i], from[i].contiguous().const_data_ptr(), from[i].nbytes());
  }

  at::Tensor on_host, on_device;
  at::Tensor figures;
  Batch batch;
  std::vector<size_t> begins;  // of each tensor, in bytes
  Repeated launch;
};

DeviceGradients::DeviceGradients(TensorModule& module, Collectives& collectives, bool autocast,
                                 Reporter* reporter, MakeGraph graphs)
    : module_(module),
      collectives_(collectives),
      autocast_(autocast),
      reporter_(reporter),
      graphs_(std::move(graphs)),
      answer_(pinned(sizeof(StepFigures)).view(at::kFloat)) {}

DeviceGradients::~DeviceGradients() = default;

bool DeviceGradients::recorded() const {
  for (const auto& [key, shape] : shapes_)
    if (shape->launch.recorded()) return true;
  return false;
}

DeviceGradients::Shape& DeviceGradients::shape_of(const Batch& batch, double scale) {
  std::vector<int64_t> key = {std::bit_cast<int64_t>(scale)};  // a number in the kernels' arguments
  for (const auto& tensor : batch) {
    key.push_back(tensor.dim());
    key.insert(key.end(), tensor.sizes().begin(), tensor.sizes().end());
  }
  const auto found = shapes_.find(key);
  if (found != shapes_.end()) return *found->second;
  auto made = std::make_unique<Shape>(batch, module_.parameters().device(), graphs_);
  if (shapes_.size() < kShapesMax) return *(shapes_[std::move(key)] = std::move(made));
  rare_ = std::move(made);
  return *rare_;
}

void DeviceGradients::work(Shape& shape, double scale) {
  auto& parameters = module_.parameters();
  shape.on_device.copy_(shape.on_host, /*non_blocking=*/true);
  parameters.zero_gradients();
  at::Tensor loss;
  {
    const Autocast autocast(autocast_, parameters.device());
    loss = module_.batch_loss(shape.batch, scale);
  }
  torch::autograd::backward({loss}, {});
  const at::NoGradGuard no_grad;
  const auto& spare = parameters.spare();
  spare.copy_(shape.figures);
  spare[0].add_(loss.detach());  // times the scale, as yet
  if (collectives_.size() > 1) sum(collectives_, parameters.with_spare());
  answer_.copy_(spare, /*non_blocking=*/true);
}

Batch DeviceGradients::batch_of(const Examples& examples, const StepRows& wanted) {
  const bool made = !made_.empty() && ahead_.rows.data() == wanted.rows.data() &&
                    ahead_.rows.size() == wanted.rows.size() && ahead_.key == wanted.key;
  if (made) return std::exchange(made_, {});
  return module_.batch(examples, wanted.rows, wanted.key);
}

void DeviceGradients::step(const Examples& examples, const StepRows& now, const StepRows& ahead, double scale,
                           std::span<double> sums) {
  const Batch batch = batch_of(examples, now);
  Shape& shape = shape_of(batch, scale);
  shape.fill(batch, figures_of(sums));
  if (reporter_ != nullptr) reporter_->phase(v1::PHASE_BACKWARD);
  const bool repeated = shape.launch.run([&] { work(shape, scale); });
  if (repeated && collectives_.size() > 1) collectives_.repeated();
  if (reporter_ != nullptr && collectives_.size() > 1) reporter_->phase(v1::PHASE_REDUCE);
  made_ = {};
  if (!ahead.rows.empty()) made_ = module_.batch(examples, ahead.rows, ahead.key);
  ahead_ = ahead;
  wait_for_gpu(module_.parameters().device());
  read_figures({answer_.const_data_ptr<float>(), FlatParameters::kSpare}, sums);
  sums[0] /= scale;
}

}  // namespace rekindle::trainer
