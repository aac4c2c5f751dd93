// Rows drawn from a seed: pictures of shapes, rows of tokens that follow a rule, labels of every kind, and
// what benches are fed with.
#pragma once

#include "dataio/table.h"

namespace rekindle::trainer {

// Ten days of rows with columns `when`, `label` and
//   pictures  `image`: 12 x 12 gray PNG of a bar across, a bar down or a block, somewhere, with noise;
//             label whether it is a bar across, `shape` which of the three, `height` its pixels
//   orders    `words`: 3 to 9 of the tokens 0..9; label whether the first 1 comes before the first 2, `has`
//             which of 0, 5 and 9 are among them ("zero|nine")
//   sums      `words`: 3 to 6 of the tokens 0..4; label whether the sum of the first and the last, modulo 5,
//             is 0 or 1, `next` the last one plus 1, modulo 5, as a word, `total` the sum of all
//   noise     `image`: side x side RGB PNG of noise; label whether its red is brighter
//   numbers   `f0`, `f1`, ...: numbers between -1 and 1; label whether their sum, with noise, is above 0
dataio::Table pictures(size_t count);
dataio::Table noise(size_t count, uint32_t side);
dataio::Table numbers(size_t count, size_t columns);
dataio::Table orders(size_t count);
dataio::Table sums(size_t count);

// The rows of plans.h with labels of other kinds: `shift` (one of three), `tags` (any of three) and
// `minutes`.
dataio::Table rows_with_labels(size_t count);

}  // namespace rekindle::trainer
