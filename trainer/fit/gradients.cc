#include "trainer/fit/gradients.h"

#pragma push_macro("CHECK")
#undef CHECK
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#undef CHECK
#pragma pop_macro("CHECK")

#include <algorithm>

#include "trainer/collectives/backend.h"
#include "trainer/fit/autocast.h"
#include "trainer/fit/device_gradients.h"
#include "trainer/fit/figures.h"

namespace rekindle::trainer {
namespace {

bool is_half(v1::Reduction::Compress compress) {
  return compress == v1::Reduction::HALF || compress == v1::Reduction::BFLOAT;
}

at::ScalarType half_type(v1::Reduction::Compress compress) {
  return compress == v1::Reduction::HALF ? at::kHalf : at::kBFloat16;
}

// Like c10d's FP16CompressCommHook, for both kinds of halves.
class CompressHook final : public c10d::CppCommHookInterface<c10::intrusive_ptr<c10d::ProcessGroup>> {
 public:
  CompressHook(c10::intrusive_ptr<c10d::ProcessGroup> group, at::ScalarType type)
      : CppCommHookInterface(std::move(group)), type_(type) {}

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    auto halves = bucket.getBufferRef().div(state_->getSize()).to(type_);
    std::vector<at::Tensor> tensors{halves};
    auto work = state_->allreduce(tensors);
    return work->getFuture()->then(
        [buffer = bucket.getBufferRef()](c10::ivalue::Future& done) {
          buffer.copy_(c10d::detail::parseCppCommHookResult(done.value()));
          return c10::IValue(buffer);
        },
        c10::TensorType::get());
  }

 private:
  at::ScalarType type_;
};

}  // namespace

struct Gradients::Buckets {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::unique_ptr<c10d::Reducer> reducer;

  Buckets(FlatParameters& parameters, Collectives& collectives, v1::Reduction::Compress compress)
      : group(make_process_group(collectives)) {
    const auto& leaves = parameters.leaves();
    const int64_t first = c10d::kDefaultFirstBucketBytes, cap = c10d::kDefaultBucketBytesCap;
    auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
        leaves, {static_cast<size_t>(first), static_cast<size_t>(cap)});
    // The last layers' gradients come first.
    std::reverse(buckets.begin(), buckets.end());
    std::vector<bool> sparse(leaves.size(), false);
    std::unordered_map<size_t, std::string> names;
    for (size_t i = 0; i < leaves.size(); ++i) names[i] = parameters.layout().placed()[i].parameter.name;
    reducer = std::make_unique<c10d::Reducer>(
        leaves, std::move(buckets), group, std::move(sparse), cap, /*find_unused_parameters=*/false,
        /*gradient_as_bucket_view=*/false, std::move(names), first, /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false, std::vector<int64_t>{});
    if (is_half(compress))
      reducer->register_comm_hook(std::make_unique<CompressHook>(group, half_type(compress)));
  }
};

Gradients::Gradients(Module& module, Collectives& collectives, const v1::Reduction& spec,
                     v1::Precision precision, Reporter* reporter, MakeGraph graphs)
    : module_(module),
      collectives_(collectives),
      compress_(spec.compress()),
      autocast_(precision == v1::BF16),
      reporter_(reporter) {
  if (collectives.size() > 1) {
    const bool large = module.layout().size() * sizeof(float) > kFlatBytes;
    const bool buckets =
        spec.kind() == v1::Reduction::BUCKETS || (spec.kind() != v1::Reduction::FLAT && large);
    way_ = buckets ? Way::kBuckets : Way::kFlat;
    if (buckets) buckets_ = std::make_unique<Buckets>(module.parameters(), collectives, compress_);
  }
  auto* tensors = dynamic_cast<TensorModule*>(&module);
  if (tensors == nullptr || module.parameters().device().is_cpu() || way_ == Way::kBuckets ||
      is_half(compress_))
    return;
  device_ = std::make_unique<DeviceGradients>(*tensors, collectives, autocast_, reporter, std::move(graphs));
}

Gradients::~Gradients() = default;

std::string Gradients::describe() const {
  const std::string recorded = device_ && device_->recorded() ? ", recorded" : "";
  if (way_ == Way::kAlone) return "one rank" + recorded;
  std::string out = (way_ == Way::kFlat ? "flat" : "buckets") + recorded;
  if (compress_ == v1::Reduction::HALF) out += ", half";
  if (compress_ == v1::Reduction::BFLOAT) out += ", bfloat";
  return out;
}

bool Gradients::at_once(const Examples& examples, const StepRows& now, const StepRows& ahead, size_t batch,
                        std::span<double> sums) {
  if (device_ == nullptr || now.rows.empty()) return false;
  device_->step(examples, now, ahead, 1.0 / static_cast<double>(batch), sums);
  return true;
}

void Gradients::begin(size_t batch) {
  // The Reducer takes the mean over the ranks: times their number it is the sum.
  const double ranks = way_ == Way::kBuckets ? collectives_.size() : 1;
  scale_ = ranks / static_cast<double>(batch);
  module_.parameters().zero_gradients();
}

double Gradients::add(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                      bool last) {
  if (way_ != Way::kBuckets) {
    if (rows.empty()) return 0;
    if (!autocast_) {
      if (auto loss = module_.add_gradients(examples, rows, key, scale_)) return *loss / scale_;
    }
  } else if (rows.empty() && !last) {
    return 0;
  }
  return backward(examples, rows, key, last);
}

double Gradients::backward(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                           bool last) {
  if (buckets_ && last) {
    buckets_->reducer->prepare_for_forward();
    buckets_->reducer->rebuild_buckets();
  }
  at::Tensor loss;
  {
    Autocast autocast(autocast_, module_.parameters().device());
    loss = module_.loss(examples, rows, key, scale_);
  }
  if (reporter_ != nullptr) reporter_->phase(v1::PHASE_BACKWARD);
  // Without this the Reducer lets gradients add up and asks nobody.
  if (buckets_ && last) buckets_->reducer->prepare_for_backward({});
  torch::autograd::backward({loss}, {});
  return loss.item<double>() / scale_;
}

void Gradients::finish(std::span<double> sums) {
  switch (way_) {
    case Way::kAlone:
      return;
    case Way::kBuckets:
      return collectives_.sum(sums);  // the gradients have come together in the last backward
    case Way::kFlat:
      return sum_flat(sums);
  }
}

void Gradients::sum_flat(std::span<double> sums) {
  at::NoGradGuard no_grad;
  auto& parameters = module_.parameters();
  if (is_half(compress_)) {
    auto halves = parameters.gradients().to(half_type(compress_));
    trainer::sum(collectives_, halves);
    parameters.gradients().copy_(halves);
    return collectives_.sum(sums);
  }
  auto figures = figures_of(sums);
  const at::Tensor& whole = parameters.with_spare();
  FlatParameters::from_host(figures, parameters.spare());
  trainer::sum(collectives_, whole);
  FlatParameters::copy_to_host(parameters.spare(), figures);
  read_figures(figures, sums);
}

}  // namespace rekindle::trainer
