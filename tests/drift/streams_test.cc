// Streaming detectors against river 0.26.1 and frouros 0.9.0 (golden/make_golden.py), index for index.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "drift/streams/adwin.h"
#include "drift/streams/charts.h"
#include "drift/streams/error_rate.h"
#include "drift/streams/hoeffding.h"
#include "drift/streams/windows.h"
#include "tests/drift/golden.h"

namespace rekindle::drift {
namespace {

// What a detector said of one item.
struct Said {
  bool detected = false, warning = false;
};

template <typename Detector>
std::function<Said(double)> watch(Detector detector) {
  return [detector](double value) mutable {
    Said said;
    said.detected = detector.update(value);
    if constexpr (requires { detector.warning(); }) said.warning = detector.warning();
    return said;
  };
}

// Items are errors; these detectors are fed with 1 for a correct answer.
std::function<Said(double)> of_correct(std::function<Said(double)> detector) {
  return [detector = std::move(detector)](double error) { return detector(1 - error); };
}

// By the golden file's names.
std::function<Said(double)> make(const std::string& name) {
  const std::map<std::string, std::function<Said(double)>> all = {
      {"adwin", watch(Adwin())},
      {"ddm", watch(Ddm())},
      {"eddm", watch(Eddm())},
      {"hddm_a", watch(HddmA())},
      {"hddm_w", watch(HddmW())},
      {"page_hinkley", watch(PageHinkley())},
      {"kswin", watch(Kswin(42))},
      {"cusum", watch(Cusum())},
      {"fhddm", of_correct(watch(Fhddm()))},
      {"stepd", of_correct(watch(Stepd()))},
  };
  return all.at(name);
}

void expect_equal(const char* oracle) {
  int compared = 0;
  for (const auto& entry : golden().at(oracle).as_array()) {
    const auto& stream = entry.as_object();
    for (const auto& part : stream) {
      if (part.key() == "seed" || part.key() == "segments") continue;
      const std::string name(part.key());
      SCOPED_TRACE(name + " on stream " + std::to_string(stream.at("seed").to_number<int>()));
      const auto detector = make(name);
      std::vector<int64_t> detections, warnings;
      int64_t index = 0;
      for_each_item(stream, [&](double value) {
        const Said said = detector(value);
        if (said.detected) detections.push_back(index);
        if (said.warning) warnings.push_back(index);
        ++index;
      });
      EXPECT_EQ(detections, numbers<int64_t>(part.value().at("detections")));
      EXPECT_EQ(warnings, numbers<int64_t>(part.value().at("warnings")));
      ++compared;
    }
  }
  EXPECT_GE(compared, 9);
}

TEST(Streams, DetectWhereRiverDoes) {
  expect_equal("river");
}

TEST(Streams, DetectWhereFrourosDoes) {
  expect_equal("frouros");
}

TEST(PythonRandom, DrawsASetOfAFewAsPythonDoes) {
  // random.Random(7).sample(range(1000), 5): Python's other branch, by rejection.
  std::vector<uint32_t> drawn;
  PythonRandom(7).sample(1000, 5, drawn);
  EXPECT_EQ(drawn, numbers<uint32_t>(golden().at("python_sample")));
}

TEST(PythonRandom, DrawsManyAsPythonDoes) {
  // random.Random(7).sample(range(10), 10), and of another one sample(range(70), 30) twice: from a list, with
  // fewer bits once fewer are left.
  std::vector<uint32_t> drawn;
  PythonRandom(7).sample(10, 10, drawn);
  EXPECT_EQ(drawn, (std::vector<uint32_t>{5, 2, 6, 9, 0, 7, 4, 1, 3, 8}));
  PythonRandom random(7);
  random.sample(70, 30, drawn);
  EXPECT_EQ(drawn, (std::vector<uint32_t>{41, 19, 50, 6,  9,  12, 46, 37, 3, 58, 32, 13, 2,  5,  27,
                                          26, 4,  15, 56, 35, 55, 61, 36, 7, 14, 40, 44, 62, 48, 47}));
  random.sample(70, 30, drawn);
  EXPECT_EQ(drawn, (std::vector<uint32_t>{50, 6,  28, 5,  17, 37, 53, 9,  34, 7,  36, 19, 35, 52, 43,
                                          11, 68, 64, 59, 40, 12, 23, 63, 57, 45, 4,  51, 3,  39, 13}));
}

}  // namespace
}  // namespace rekindle::drift
