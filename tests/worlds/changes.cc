#include "tests/worlds/changes.h"

#include <cmath>

#include "drift/streams/python_random.h"

namespace rekindle::worlds {

Stream mixed(uint32_t seed, Stream before, Stream after, double position, double width) {
  return [random = drift::PythonRandom(seed), before = std::move(before), after = std::move(after), position,
          width, index = 0.0]() mutable {
    index += 1;
    const double exponent = -4.0 * (index - position) / width;
    // Python's exp refuses what ours calls infinite: no row of the new stream, either way.
    const double share = 1.0 / (1.0 + std::exp(exponent));
    return random.uniform() > share ? before() : after();
  };
}

Stream thinned(uint32_t seed, Stream stream, std::function<double(const Row&)> keep) {
  return [random = drift::PythonRandom(seed), stream = std::move(stream), keep = std::move(keep)]() mutable {
    for (;;) {
      Row row = stream();
      if (random.uniform() < keep(row)) return row;
    }
  };
}

}  // namespace rekindle::worlds
