// Permuted times: the same rows, the same times, nothing left that joins them.
#include "cli/rows/permute.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "artifacts/fake_store.h"
#include "dataio/snapshot.h"

namespace rekindle::cli {
namespace {

dataio::Table part(int first, int rows) {
  std::vector<int64_t> times;
  std::vector<double> numbers;
  std::vector<std::string> words;
  for (int i = first; i < first + rows; ++i) {
    times.push_back(i * 1000);
    numbers.push_back(i);
    words.push_back("w" + std::to_string(i));
  }
  dataio::Table table;
  table.add(dataio::number_column("n", numbers));
  table.add(dataio::time_column("t", times));
  table.add(dataio::text_column("w", words));
  return table;
}

TEST(Permute, KeepsRowsWholeAndTimesInPlace) {
  artifacts::FakeStore store;
  std::vector<v1::DatasetSnapshot> snapshots;
  snapshots.push_back(dataio::make_snapshot(store, "d", "a", part(0, 40), "t", "s").value());
  snapshots.push_back(dataio::make_snapshot(store, "d", "b", part(40, 60), "t", "s").value());
  const auto permuted = permute_times(snapshots, 7, store);
  ASSERT_TRUE(permuted.ok()) << permuted.status().message();
  ASSERT_EQ(permuted->size(), 2u);
  std::map<double, std::string> seen;
  int moved_between = 0, at = 0;
  for (const v1::DatasetSnapshot& snapshot : *permuted) {
    const std::vector<std::string> columns = {"n", "w"};
    const auto rows = dataio::read_rows(store, {&snapshot, 1}, columns, 0, 1'000'000).value();
    EXPECT_EQ(rows.rows(), snapshot.name() == "a" ? 40u : 60u);
    for (size_t i = 0; i < rows.rows(); ++i, ++at) {
      EXPECT_EQ(rows.find("t")->times[i], at * 1000);
      const double n = rows.find("n")->numbers[i];
      seen[n] = std::string(rows.find("w")->text(i));
      moved_between += (n < 40) != (snapshot.name() == "a");
    }
  }
  ASSERT_EQ(seen.size(), 100u) << "every row once";
  for (const auto& [n, word] : seen) EXPECT_EQ(word, "w" + std::to_string(static_cast<int>(n)));
  EXPECT_GT(moved_between, 20);
  const auto again = permute_times(snapshots, 7, store).value();
  EXPECT_TRUE(dataio::same_content(again[0], (*permuted)[0])) << "the same seed deals the same";
  EXPECT_FALSE(dataio::same_content(permute_times(snapshots, 8, store).value()[0], again[0]));
}

}  // namespace
}  // namespace rekindle::cli
