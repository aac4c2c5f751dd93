#include "trainer/fit/gradients.h"

#pragma push_macro("CHECK")
#undef CHECK
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#undef CHECK
#pragma pop_macro("CHECK")

#include "trainer/collectives/backend.h"

namespace rekindle::trainer {

struct Gradients::Impl {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::unique_ptr<c10d::Reducer> reducer;
};

Gradients::Gradients(FlatParameters& parameters, Collectives& collectives) : parameters_(parameters) {
  if (collectives.size() == 1) return;
  impl_ = std::make_unique<Impl>();
  impl_->group = make_process_group(collectives);
  const auto& leaves = parameters.leaves();
  const int64_t first = c10d::kDefaultFirstBucketBytes, cap = c10d::kDefaultBucketBytesCap;
  auto [buckets, limits] =
      c10d::compute_bucket_assignment_by_size(leaves, {static_cast<size_t>(first), static_cast<size_t>(cap)});
  // The last layers' gradients come first.
  std::reverse(buckets.begin(), buckets.end());
  std::vector<bool> sparse(leaves.size(), false);
  std::unordered_map<size_t, std::string> names;
  for (size_t i = 0; i < leaves.size(); ++i) names[i] = parameters.layout().placed()[i].parameter.name;
  impl_->reducer = std::make_unique<c10d::Reducer>(
      leaves, std::move(buckets), impl_->group, std::move(sparse), cap, /*find_unused_parameters=*/false,
      /*gradient_as_bucket_view=*/false, std::move(names), first, /*skip_all_reduce_unused_params=*/false,
      /*use_python_reducer=*/false, std::vector<int64_t>{});
}

Gradients::~Gradients() = default;

void Gradients::before_forward() {
  parameters_.zero_gradients();
  if (!impl_) return;
  impl_->reducer->prepare_for_forward();
  impl_->reducer->rebuild_buckets();
}

void Gradients::backward(const at::Tensor& loss) {
  if (impl_) impl_->reducer->prepare_for_backward({});
  torch::autograd::backward({loss}, {});
}

}  // namespace rekindle::trainer
