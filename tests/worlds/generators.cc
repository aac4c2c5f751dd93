#include "tests/worlds/generators.h"

#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "drift/streams/python_random.h"

namespace rekindle::worlds {
namespace {

using drift::PythonRandom;

// random.gauss(0, 1): two at a time, the second is kept.
class Gauss {
 public:
  double operator()(PythonRandom& random) {
    if (kept_) {
      const double z = *kept_;
      kept_.reset();
      return z;
    }
    const double angle = random.uniform() * (2 * std::numbers::pi);
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random.uniform()));
    kept_ = std::sin(angle) * radius;
    return std::cos(angle) * radius;
  }

 private:
  std::optional<double> kept_;
};

// Python's x ** 0.5, which is pow and not always sqrt to the last bit.
double root(double x) {
  return std::pow(x, 0.5);
}

class Hyperplane {
 public:
  Hyperplane(uint32_t seed, const HyperplaneForm& form) : form_(form), random_(seed) {
    for (int i = 0; i < form.features; ++i) weights_.push_back(random_.uniform());
    directions_.assign(static_cast<size_t>(form.moving), 1.0);
  }

  Row operator()() {
    Row row;
    const double all = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    double side = 0;
    for (const double weight : weights_) {
      row.x.push_back(random_.uniform());
      side += weight * row.x.back();
    }
    row.y = side >= all * 0.5;
    if (0.01 + random_.uniform() <= form_.noise) row.y = 1 - row.y;
    for (size_t i = 0; i < directions_.size(); ++i) {
      weights_[i] += directions_[i] * form_.step;
      if (0.01 + random_.uniform() <= form_.turns) directions_[i] *= -1;
    }
    return row;
  }

 private:
  HyperplaneForm form_;
  PythonRandom random_;
  std::vector<double> weights_, directions_;
};

constexpr int kSegments = 7, kIrrelevant = 17, kDigits = 10;
constexpr int kLit[kDigits][kSegments] = {{1, 1, 1, 0, 1, 1, 1}, {0, 0, 1, 0, 0, 1, 0}, {1, 0, 1, 1, 1, 0, 1},
                                          {1, 0, 1, 1, 0, 1, 1}, {0, 1, 1, 1, 0, 1, 0}, {1, 1, 0, 1, 0, 1, 1},
                                          {1, 1, 0, 1, 1, 1, 1}, {1, 0, 1, 0, 0, 1, 0}, {1, 1, 1, 1, 1, 1, 1},
                                          {1, 1, 1, 1, 0, 1, 1}};

class Led {
 public:
  Led(uint32_t seed, double noise, int swapped) : random_(seed), noise_(noise) {
    std::iota(places_.begin(), places_.end(), size_t{0});
    if (swapped == 0) return;
    const uint32_t first = random_.below(kSegments), offset = random_.below(kIrrelevant);
    for (uint32_t i = 0; i < static_cast<uint32_t>(swapped); ++i) {
      const size_t relevant = (i + first) % kSegments, other = kSegments + (i + offset) % kIrrelevant;
      places_[relevant] = other;
      places_[other] = relevant;
    }
  }

  Row operator()() {
    Row row;
    row.y = static_cast<int>(random_.below(kDigits));
    row.x.resize(places_.size());
    for (size_t i = 0; i < kSegments; ++i) {
      const bool inverted = 0.01 + random_.uniform() <= noise_;
      row.x[places_[i]] = (kLit[row.y][i] != 0) != inverted;
    }
    for (size_t i = kSegments; i < places_.size(); ++i) row.x[places_[i]] = random_.below(2);
    return row;
  }

 private:
  PythonRandom random_;
  double noise_;
  std::array<size_t, kSegments + kIrrelevant> places_;
};

class Clouds {
 public:
  Clouds(uint32_t model_seed, uint32_t sample_seed, const CloudsForm& form)
      : form_(form), random_(sample_seed) {
    PythonRandom model(model_seed);
    for (int i = 0; i < form.centres; ++i) {
      Centre centre;
      for (int j = 0; j < form.features; ++j) centre.at.push_back(model.uniform());
      centre.label = static_cast<int>(model.below(static_cast<uint32_t>(form.classes)));
      centre.width = model.uniform();
      centre.weight = model.uniform();
      weight_ += centre.weight;
      centres_.push_back(std::move(centre));
    }
    PythonRandom speeds(model_seed);
    for (int i = 0; i < form.moving; ++i) centres_[static_cast<size_t>(i)].speed = direction(speeds);
  }

  Row operator()() {
    for (Centre& centre : centres_) move(centre);
    const Centre& centre = drawn();
    Row row;
    row.y = centre.label;
    double squares = 0;
    for (int i = 0; i < form_.features; ++i) {
      row.x.push_back(random_.uniform() * 2.0 - 1.0);
      squares += row.x.back() * row.x.back();
    }
    const double length = root(squares);
    const double scale = gauss_(random_) * centre.width / length;
    for (size_t i = 0; i < row.x.size(); ++i) row.x[i] = centre.at[i] + row.x[i] * scale;
    return row;
  }

 private:
  struct Centre {
    std::vector<double> at, speed;
    int label = 0;
    double width = 0, weight = 0;
  };

  std::vector<double> direction(PythonRandom& random) const {
    std::vector<double> out;
    double squares = 0;
    for (int j = 0; j < form_.features; ++j) {
      out.push_back(random.uniform());
      squares += out.back() * out.back();
    }
    const double length = root(squares);
    for (double& one : out) one /= length;
    return out;
  }

  void move(Centre& centre) const {
    for (size_t j = 0; j < centre.speed.size(); ++j) {
      centre.at[j] += centre.speed[j] * form_.speed;
      if (centre.at[j] >= 0 && centre.at[j] <= 1) continue;
      centre.at[j] = centre.at[j] > 1 ? 1 : 0;
      centre.speed[j] = -centre.speed[j];
    }
  }

  const Centre& drawn() {
    const double wanted = random_.uniform() * weight_;
    double sum = 0;
    size_t index = 0;
    while (sum <= wanted && index < centres_.size()) sum += centres_[index++].weight;
    return centres_[index - 1];
  }

  CloudsForm form_;
  PythonRandom random_;
  Gauss gauss_;
  std::vector<Centre> centres_;
  double weight_ = 0;
};

}  // namespace

Stream sea(uint32_t seed, int variant, double noise) {
  constexpr double kThresholds[] = {8, 9, 7, 9.5};
  CHECK(variant >= 0 && variant < 4, "four variants");
  return [random = PythonRandom(seed), threshold = kThresholds[variant], noise]() mutable {
    Row row;
    for (int i = 0; i < 3; ++i) row.x.push_back(10 * random.uniform());
    row.y = row.x[0] + row.x[1] > threshold;
    if (noise > 0 && random.uniform() < noise) row.y = 1 - row.y;
    return row;
  };
}

Stream hyperplane(uint32_t seed, const HyperplaneForm& form) {
  CHECK(form.moving <= form.features, "no more weights can move than there are");
  return Hyperplane(seed, form);
}

Stream led(uint32_t seed, double noise, int swapped) {
  CHECK(swapped >= 0 && swapped <= kSegments, "seven segments");
  return Led(seed, noise, swapped);
}

Stream random_rbf(uint32_t model_seed, uint32_t sample_seed, const CloudsForm& form) {
  CHECK(form.moving <= form.centres, "no more centres can move than there are");
  return Clouds(model_seed, sample_seed, form);
}

}  // namespace rekindle::worlds
