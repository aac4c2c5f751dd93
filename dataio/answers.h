// What a model's answer to a row may be, whatever it was asked. Pure.
#pragma once

#include <span>

#include "dataio/labels.h"

namespace rekindle::dataio {

// Whether it is an answer to this kind of label at all: a probability for each output, or one finite number.
bool sound_answer(const LabelRule& rule, std::span<const double> answer);

}  // namespace rekindle::dataio
