// Scaling of images with a triangle filter: bilinear where it enlarges, a weighted area where it shrinks.
//
// Whole numbers throughout, as Pillow's resize(BILINEAR) has them, whose pixels it gives: the same on every
// processor.
#pragma once

#include "dataio/images/decode.h"

namespace rekindle::dataio {

// The sides become `width` and `height`, whatever the shape was.
Pixels scale(const Pixels& image, uint32_t width, uint32_t height);

}  // namespace rekindle::dataio
