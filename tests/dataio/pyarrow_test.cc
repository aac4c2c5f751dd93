// Parquet between us and pyarrow, both ways. The wheel's own Python module is the oracle.
#include <stdio.h>

#include "dataio/parquet.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

constexpr char kPython[] = "build/venv/bin/python";

class Pyarrow : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kPython))
      GTEST_SKIP() << "SKIPPED LOUDLY: no " << kPython << "; ./dev setup makes it";
  }
  std::string run(const std::string& script, const std::string& argument) {
    folder_.write("script.py", script);
    const std::string line =
        fmt::format("{} {} {} 2>&1", kPython, (folder_.path() / "script.py").string(), argument);
    FILE* pipe = popen(line.c_str(), "r");
    std::string out;
    char buffer[4096];
    while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
    pclose(pipe);
    return out;
  }

  TempFolder folder_;
};

TEST_F(Pyarrow, ReadsWhatWeWrite) {
  Table table;
  table.add(time_column("when", {1357034400000001, kMissingTime}));
  table.add(number_column("x", {0.1, kMissingNumber}));
  table.add(text_column("word", std::vector<std::string>{"\xC3\xA4", "b"}));
  table.add(bool_column("flag", {1, kMissingNumber}));
  table.add(bytes_column("image", {std::string("\0\xFF", 2), ""}));
  table.add(tokens_column("tokens", {{3, 1}, {}}));
  table.columns[4].blobs[1] = nullptr;
  table.columns[5].lists[1] = nullptr;
  folder_.write("t.parquet", write_parquet(table).value());
  EXPECT_EQ(
      run(R"(
import sys, pyarrow.parquet as pq
file = pq.ParquetFile(sys.argv[1])
for field in file.schema_arrow: print(field.name, field.type)
for row in file.read().to_pylist(): print([str(v) for v in row.values()])
print(file.metadata.row_group(0).column(0).compression, file.metadata.created_by)
)",
          (folder_.path() / "t.parquet").string()),
      "when timestamp[us, tz=UTC]\nx double\nword string\nflag bool\nimage binary\ntokens list<element: "
      "int32 "
      "not null>\n"
      "['2013-01-01 10:00:00.000001+00:00', '0.1', '\xC3\xA4', 'True', \"b'\\\\x00\\\\xff'\", '[3, 1]']\n"
      "['None', 'None', 'b', 'None', 'None', 'None']\n"
      "ZSTD rekindle\n");
}

TEST_F(Pyarrow, WritesWhatWeRead) {
  const std::string path = (folder_.path() / "t.parquet").string();
  ASSERT_EQ(run(R"(
import sys, pyarrow as pa, pyarrow.parquet as pq
times = [-1500000001, None, 2]
pq.write_table(pa.table({
  "ns": pa.array(times, pa.timestamp("ns")), "ms": pa.array(times, pa.timestamp("ms")),
  "far": pa.array([2**62, 1, None], pa.timestamp("ms")),
  "int": pa.array([1, None, -3], pa.int32()), "u": pa.array([1, None, 2**40], pa.uint64()),
  "f": pa.array([0.5, None, 2], pa.float32()),
  "word": pa.array(["a", None, "a"]).dictionary_encode(), "large": pa.array(["b", None, ""], pa.large_string()),
  "flag": pa.array([True, None, False])}), sys.argv[1], compression="snappy", row_group_size=2)
)",
                path),
            "");
  const Table table = read_parquet(rekindle::read_file(path).value(), "t").value();
  EXPECT_EQ(show_row(table, 0), "1969-12-31T23:59:58.499999Z|1969-12-14T15:19:59.999000Z|-|1|1|0.5|a|b|1");
  EXPECT_EQ(show_row(table, 1), "-|-|1970-01-01T00:00:00.001000Z|-|-|-|-|-|-");
  EXPECT_EQ(show_row(table, 2), "1970-01-01T00:00:00Z|1970-01-01T00:00:00.002000Z|-|-3|1099511627776|2|a||0");
}

TEST_F(Pyarrow, BytesAndListsComeInEveryWidth) {
  const std::string path = (folder_.path() / "t.parquet").string();
  ASSERT_EQ(run(R"(
import sys, pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({
  "b": pa.array([b"a", None, b""]), "lb": pa.array([b"a", None, b"bc"], pa.large_binary()),
  "fb": pa.array([b"ab", None, b"cd"], pa.binary(2)),
  "l": pa.array([[1, 2], None, []], pa.list_(pa.int64())), "ll": pa.array([[], [7], None], pa.large_list(pa.uint16())),
  "fl": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2))}), sys.argv[1], row_group_size=2)
pq.write_table(pa.table({"l": pa.array([[1], [2**31]], pa.list_(pa.int64()))}), sys.argv[1] + ".large")
pq.write_table(pa.table({"l": pa.array([[-1]], pa.list_(pa.int8()))}), sys.argv[1] + ".negative")
pq.write_table(pa.table({"l": pa.array([[1, None]], pa.list_(pa.int8()))}), sys.argv[1] + ".null")
)",
                path),
            "");
  const auto read = [&](const char* end) {
    return read_parquet(rekindle::read_file(path + end).value(), "t");
  };
  const auto table = read("");
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(show_row(*table, 0), "<a>|<a>|<ab>|[1 2]|[]|[1 2]");
  EXPECT_EQ(show_row(*table, 1), "-|-|-|-|[7]|[3 4]");
  EXPECT_EQ(show_row(*table, 2), "<>|<bc>|<cd>|[]|-|[5 6]");
  using ::testing::HasSubstr;
  EXPECT_THAT(read(".large").status().message(), HasSubstr("column 'l', row 1: 2147483648 is no token"));
  EXPECT_THAT(read(".negative").status().message(), HasSubstr("-1 is no token"));
  EXPECT_THAT(read(".null").status().message(), HasSubstr("a null is no token"));
}

TEST_F(Pyarrow, TypesThatATableCannotHoldAreRefused) {
  const std::string path = (folder_.path() / "t.parquet").string();
  ASSERT_EQ(run(R"(
import sys, pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.table({"x": [1.0], "two": [{"a": 1, "b": 2}]}), sys.argv[1] + ".nested")
pq.write_table(pa.table({"x": [1.0], "halves": [[0.5]]}), sys.argv[1])
)",
                path),
            "");
  const std::string bytes = rekindle::read_file(path).value();
  const std::vector<WantedColumn> x = {{"x"}};
  EXPECT_TRUE(read_parquet(bytes, "t", x).ok());
  EXPECT_THAT(read_parquet(bytes, "t").status().message(),
              ::testing::HasSubstr("column 'halves' of t has a type"));
  EXPECT_THAT(read_parquet(rekindle::read_file(path + ".nested").value(), "t", x).status().message(),
              ::testing::HasSubstr("nested columns"));
}

}  // namespace
}  // namespace rekindle::dataio
