#include "trainer/plugin/module.h"

#include <stdexcept>

#include "trainer/kinds/starts.h"

namespace rekindle::trainer {
namespace {

template <typename T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(result).value();
}

}  // namespace

Result<std::unique_ptr<Module>> make_plugin(const v1::ModelCard& card, const fs::path& code,
                                            at::Device device) {
  if (device != at::kCPU)
    return invalid_argument(
        "train.model.plugin: a library works in the host's memory; say train.ranks.gpus: 0");
  if (code.empty())
    return invalid_argument("train.model.plugin: the library's folder is not at hand; say train.code");
  models::Head head = TRY(models::head_of(card));
  auto library = TRY(PluginLibrary::open(code, card, head));
  return std::unique_ptr<Module>(std::make_unique<Plugin>(std::move(library), std::move(head)));
}

Plugin::Plugin(std::unique_ptr<PluginLibrary> library, models::Head head)
    : Module(library->parameters()), library_(std::move(library)), head_(std::move(head)) {}

PluginLibrary::Values Plugin::values() const {
  PluginLibrary::Values out;
  for (const auto& p : library_->parameters())
    out.push_back(parameters().leaf(p.name).const_data_ptr<float>());
  return out;
}

models::Parameters Plugin::initial(uint64_t seed, const Examples&) const {
  return value_or_throw(library_->start(seed));
}

at::Tensor Plugin::loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                        double scale) {
  if (rows.empty()) return loss_of_no_rows();
  const dataio::Encoded batch = dataio::gather(examples.encoded, rows);
  const at::Tensor targets = targets_of(head_, examples, rows);
  auto answer = value_or_throw(library_->loss(
      values(), batch, {targets.const_data_ptr<float>(), static_cast<size_t>(targets.numel())}, key, scale));
  // A scalar whose value is the loss and whose derivatives are the gradients, whatever the parameters are.
  at::Tensor by_way = at::zeros({}, at::kDouble);
  const auto& list = library_->parameters();
  for (size_t i = 0; i < list.size(); ++i) {
    const auto gradient = at::from_blob(answer.gradients[i].data(), list[i].shape, at::kFloat).clone();
    by_way = by_way + (parameters().leaf(list[i].name) * gradient).sum(at::kDouble);
  }
  return by_way + (answer.sum * scale - by_way.detach());
}

std::vector<double> Plugin::outputs(const Examples& examples, size_t begin, size_t end) const {
  const auto logits =
      value_or_throw(library_->outputs(values(), dataio::slice(examples.encoded, begin, end)));
  std::vector<double> out(logits.size());
  head_.answer(logits, out);
  return out;
}

}  // namespace rekindle::trainer
