// The generators against river 0.26.1's, row for row (tests/drift/golden/make_golden.py).
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "tests/drift/golden.h"
#include "tests/worlds/changes.h"

namespace rekindle::worlds {
namespace {

Stream make(const std::string& name, const std::vector<double>& a) {
  const auto seed = [&a](size_t i) { return static_cast<uint32_t>(a[i]); };
  const auto whole = [&a](size_t i) { return static_cast<int>(a[i]); };
  if (name == "sea") return sea(seed(0), whole(1), a[2]);
  if (name == "agrawal") return agrawal(seed(0), whole(1), a[2]);
  if (name == "hyperplane") return hyperplane(seed(0), {whole(1), whole(2), a[3], a[4], a[5]});
  if (name == "led") return led(seed(0), a[1], whole(2));
  if (name == "rbf") return random_rbf(seed(0), seed(1), {whole(2), whole(3), whole(4), a[5], whole(6)});
  return mixed(seed(0), sea(1, 0, 0), sea(2, 3, 0), a[1], a[2]);
}

// To the last bit: written in hexadecimal.
std::vector<double> exact(const boost::json::value& texts) {
  std::vector<double> out;
  for (const auto& text : texts.as_array())
    out.push_back(std::strtod(std::string(text.as_string()).c_str(), nullptr));
  return out;
}

TEST(Generators, MakeRiversRows) {
  int compared = 0;
  const boost::json::value golden = drift::golden_file("tests/drift/golden/worlds.json");
  for (const auto& entry : golden.at("river").as_array()) {
    const std::string name(entry.at("name").as_string());
    const auto arguments = drift::numbers<double>(entry.at("arguments"));
    SCOPED_TRACE(name + " " + boost::json::serialize(entry.at("arguments")));
    Stream stream = make(name, arguments);
    const auto& shown = entry.at("rows").as_array();
    const auto sums = exact(entry.at("sums"));
    std::vector<double> sum(sums.size(), 0.0);
    int64_t labels = 0, changes = 0;
    int last = -1;
    for (int64_t i = 0; i < entry.at("summed").to_number<int64_t>(); ++i) {
      const Row row = stream();
      ASSERT_EQ(row.x.size(), sum.size());
      if (i < static_cast<int64_t>(shown.size())) {
        EXPECT_EQ(row.x, exact(shown[static_cast<size_t>(i)].at("x"))) << "row " << i;
        EXPECT_EQ(row.y, shown[static_cast<size_t>(i)].at("y").to_number<int>()) << "row " << i;
      }
      for (size_t j = 0; j < sum.size(); ++j) sum[j] = i == 0 ? row.x[j] : sum[j] + row.x[j];
      labels += row.y;
      changes += last >= 0 && last != row.y;
      last = row.y;
    }
    EXPECT_EQ(sum, sums);
    EXPECT_EQ(labels, entry.at("labels").to_number<int64_t>());
    EXPECT_EQ(changes, entry.at("changes").to_number<int64_t>());
    ++compared;
  }
  EXPECT_EQ(compared, 23);
}

}  // namespace
}  // namespace rekindle::worlds
