// Where a fit begins: the kind's initial parameters, or those of a published version where they fit.
#pragma once

#include <string>

#include "artifacts/store.h"
#include "rekindle/v1/attempt.pb.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

struct Start {
  models::Parameters parameters;
  std::string from;  // a sentence on what was taken over; empty: from scratch
};

// By plan.start_manifest. What has the name and shape of the version's is taken over; a category's embedding
// goes by the category's value, so that a vocabulary may change; everything else begins by the seed. A
// version that cannot be read is the error of the store.
Result<Start> start_of(const artifacts::Store& store, const v1::Plan& plan, const v1::ModelCard& card,
                       const Module& module, const Examples& training);

// The part without a store: `parameters` are overwritten where `safetensors` of a version with card `old`
// fit. Returns how it reads: "5 of 6 parameters taken over; embedding.carrier: 11 of 12 values were known".
Result<std::string> take_over(const v1::ModelCard& card, const Layout& layout, const v1::ModelCard& old,
                              std::string_view safetensors, models::Parameters& parameters);

}  // namespace rekindle::trainer
