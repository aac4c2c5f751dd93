#include "trainer/kinds/module.h"

#include "trainer/gpu/device.h"
#include "trainer/kinds/cnn.h"
#include "trainer/kinds/tabular.h"
#include "trainer/kinds/transformer.h"
#include "trainer/plugin/module.h"

namespace rekindle::trainer {

at::Tensor Module::loss_of_no_rows() const {
  at::Tensor sum = at::zeros({}, parameters_.values().options());
  for (const at::Tensor& leaf : parameters_.leaves()) sum = sum + leaf.sum() * 0;
  return sum;
}

at::Tensor TensorModule::loss(const Examples& examples, std::span<const int64_t> rows, const StepKey& key,
                              double scale) {
  if (rows.empty()) return loss_of_no_rows();
  Batch taken = batch(examples, rows, key);
  for (at::Tensor& tensor : taken) tensor = to_device(tensor, parameters().device());
  return batch_loss(taken, scale);
}

Result<std::unique_ptr<Module>> make_module(const v1::ModelCard& card, at::Device device,
                                            const fs::path& code) {
  switch (card.kind().kind_case()) {
    case v1::Model::kLinear:
    case v1::Model::kTabular:
      return make_tabular(card, device);
    case v1::Model::kCnn:
      return make_cnn(card, device);
    case v1::Model::kTransformer:
      return make_transformer(card, device);
    case v1::Model::kPlugin:
      return make_plugin(card, code, device);
    default:
      return unimplemented(
          "the model card names no kind that this build knows: linear, tabular, cnn, transformer or plugin");
  }
}

}  // namespace rekindle::trainer
