#include "trainer/fit/optimizer.h"

#include <cmath>

namespace rekindle::trainer {
namespace {

constexpr double kAdamEpsilon = 1e-8;
constexpr double kAdagradEpsilon = 1e-10;
constexpr double kClipEpsilon = 1e-6;  // as in PyTorch

double decay_of(const v1::Optimizer& spec) {
  switch (spec.kind_case()) {
    case v1::Optimizer::kAdam:
      return spec.adam().decay();
    case v1::Optimizer::kSgd:
      return spec.sgd().decay();
    case v1::Optimizer::kAdagrad:
      return spec.adagrad().decay();
    default:
      return spec.adamw().has_decay() ? spec.adamw().decay() : 0.01;
  }
}

double momentum_of(const v1::Sgd& spec) {
  return spec.has_momentum() ? spec.momentum() : 0.9;
}
template <typename Adam>
std::pair<double, double> betas(const Adam& spec) {
  return {spec.has_beta1() ? spec.beta1() : 0.9, spec.has_beta2() ? spec.beta2() : 0.999};
}

}  // namespace

Optimizer::Optimizer(FlatParameters& parameters, const v1::Optimizer& spec) : spec_(spec) {
  std::vector<std::string> names = {"moment1", "moment2"};
  if (spec_.has_adagrad()) names = {"squares"};
  if (spec_.has_sgd()) names = {"momentum"};
  if (spec_.has_sgd() && momentum_of(spec_.sgd()) == 0) names = {};
  for (const auto& name : names) moments_.emplace_back(name, parameters.zeros());
  const auto device = parameters.device();
  clock_ = device.is_cpu() ? at::zeros({2}, at::kDouble)
                           : at::zeros({2}, at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
  on_device_ = device.is_cpu() ? clock_ : at::zeros({2}, parameters.values().options());
  step_ = {on_device_[0]};
  rate_ = on_device_[1];
  const auto decayed = static_cast<int64_t>(parameters.layout().decayed());
  const auto size = static_cast<int64_t>(parameters.layout().size());
  for (const auto& [begin, end, decay] :
       {std::tuple{int64_t{0}, decayed, decay_of(spec_)}, {decayed, size, 0.0}}) {
    if (begin == end) continue;
    auto view = [begin = begin, end = end](const at::Tensor& flat) {
      return Tensors{flat.narrow(0, begin, end - begin)};
    };
    Group group{view(parameters.values()), view(parameters.gradients()), {}, {}, decay};
    if (!moments_.empty()) group.first = view(moments_[0].second);
    if (moments_.size() > 1) group.second = view(moments_[1].second);
    groups_.push_back(std::move(group));
  }
}

std::string Optimizer::kind() const {
  switch (spec_.kind_case()) {
    case v1::Optimizer::kAdam:
      return "adam";
    case v1::Optimizer::kSgd:
      return "sgd";
    case v1::Optimizer::kAdagrad:
      return "adagrad";
    default:
      return "adamw";
  }
}

void Optimizer::set(uint64_t step, double rate) {
  if (clock_.scalar_type() == at::kDouble) {
    auto* clock = clock_.mutable_data_ptr<double>();
    clock[0] = static_cast<double>(step), clock[1] = rate;
  } else {
    auto* clock = clock_.mutable_data_ptr<float>();
    clock[0] = static_cast<float>(step), clock[1] = static_cast<float>(rate);
  }
}

void Optimizer::apply() {
  at::NoGradGuard no_grad;
  if (!on_device_.is_cpu()) on_device_.copy_(clock_, /*non_blocking=*/true);
  for (const auto& group : groups_) apply(group);
}

void Optimizer::apply(const Group& g) {
  switch (spec_.kind_case()) {
    case v1::Optimizer::kAdam: {
      const auto [beta1, beta2] = betas(spec_.adam());
      at::_fused_adam_(g.values, g.gradients, g.first, g.second, {}, step_, rate_, beta1, beta2, g.decay,
                       kAdamEpsilon, /*amsgrad=*/false, /*maximize=*/false);
      break;
    }
    case v1::Optimizer::kSgd:
      // From momentum zero the first step is the gradient itself, as PyTorch begins.
      at::_fused_sgd_(g.values, g.gradients, g.first, g.decay, momentum_of(spec_.sgd()), rate_,
                      /*dampening=*/0, spec_.sgd().nesterov(), /*maximize=*/false, /*is_first_step=*/false);
      break;
    case v1::Optimizer::kAdagrad:
      at::_fused_adagrad_(g.values, g.gradients, g.first, step_, rate_, /*lr_decay=*/0, g.decay,
                          kAdagradEpsilon, /*maximize=*/false);
      break;
    default: {
      const auto [beta1, beta2] = betas(spec_.adamw());
      at::_fused_adamw_(g.values, g.gradients, g.first, g.second, {}, step_, rate_, beta1, beta2, g.decay,
                        kAdamEpsilon, /*amsgrad=*/false, /*maximize=*/false);
    }
  }
}

at::Tensor gradient_norm(const FlatParameters& parameters) {
  return at::linalg_vector_norm(parameters.gradients());
}

void clip_gradients(FlatParameters& parameters, const at::Tensor& norm, double most) {
  at::NoGradGuard no_grad;
  parameters.gradients().mul_((most / (norm + kClipEpsilon)).clamp_max(1));
}

}  // namespace rekindle::trainer
