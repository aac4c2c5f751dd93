#include "trainer/kinds/module.h"
#include "trainer/kinds/tabular.h"

namespace rekindle::trainer {

Result<std::unique_ptr<Module>> make_module(const v1::ModelCard& card, at::Device device) {
  switch (card.kind().kind_case()) {
    case v1::Model::kLinear:
    case v1::Model::kTabular:
      return make_tabular(card, device);
    default:
      return unimplemented("the model card names no kind that this build knows: linear or tabular");
  }
}

}  // namespace rekindle::trainer
