// Streams of labelled rows whose law is known: river 0.26.1's generators, row for row.
//
// A stream is asked for one row after the other and never ends. The same arguments give the same rows: they
// come of Python's generator, seeded as river seeds it. Definitions are river's (river.datasets.synth);
// golden/worlds.json holds rows of the library itself.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace rekindle::worlds {

struct Row {
  std::vector<double> x;
  int y = 0;  // class, from 0
};

using Stream = std::function<Row()>;

// Three numbers in [0, 10); 1 where the first two sum up to more than {8, 9, 7, 9.5}[variant]; a share
// `noise` of the labels is turned around. The third number says nothing.
Stream sea(uint32_t seed, int variant, double noise);

// Applicants for a loan: salary, commission, age, elevel, car, zipcode, hvalue, hyears, loan. Ten rules say
// who gets it (function 0 to 9); numbers are shaken by a share `perturbation` of their range after the label
// is known.
Stream agrawal(uint32_t seed, int function, double perturbation);

// A side of a plane through the unit cube's middle. After each row the first `moving` weights move by `step`,
// and turn around with probability `turns`.
struct HyperplaneForm {
  int features = 10;
  int moving = 2;
  double step = 0;
  double noise = 0.05;
  double turns = 0.1;
};
Stream hyperplane(uint32_t seed, const HyperplaneForm& form);

// Seven segments of a digit (0 to 9), each inverted with probability `noise`, and 17 segments that say
// nothing. `swapped` relevant segments have changed places with irrelevant ones (river's LEDDrift, where it
// is over 0).
Stream led(uint32_t seed, double noise, int swapped);

// Clouds of points around centres in the unit cube, each with a class, a weight and a width. The first
// `moving` centres move by `speed` before each row and are reflected by the cube's sides.
struct CloudsForm {
  int classes = 2;
  int features = 10;
  int centres = 50;
  double speed = 0;
  int moving = 0;
};
Stream random_rbf(uint32_t model_seed, uint32_t sample_seed, const CloudsForm& form);

}  // namespace rekindle::worlds
