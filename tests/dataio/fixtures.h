// Shared by the dataio tests: a temporary folder, a small import spec, tables written as text.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/files.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rekindle-dataio-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, std::string_view content) const {
    ASSERT_TRUE(write_file_durably(path_ / name, content).ok());
  }

 private:
  std::filesystem::path path_;
};

inline int64_t micros(std::string_view time) {
  return to_micros(parse_time(time).value());
}

// rows.csv with columns when, x, word -> dataset "small".
inline v1::ImportSpec small_spec() {
  v1::ImportSpec spec;
  spec.set_rekindle(1);
  spec.set_dataset("small");
  spec.mutable_rows()->set_file("rows.csv");
  spec.mutable_rows()->set_missing("NA");
  for (const char* name : {"when", "x", "word"}) spec.add_keep(name);
  spec.set_time("when");
  return spec;
}

// The cells of one row, "|" between them, "-" for missing.
inline std::string show_row(const Table& table, size_t row) {
  std::string out;
  for (const Column& column : table.columns) {
    out += out.empty() ? "" : "|";
    if (column.missing(row))
      out += "-";
    else if (column.type == v1::TEXT)
      out += column.text(row);
    else if (column.type == v1::TIMESTAMP)
      out += format_time(time_from_micros(column.times[row]));
    else if (column.type == v1::BYTES)
      out += "<" + *column.blobs[row] + ">";
    else if (column.type == v1::TOKENS)
      out += fmt::format("[{}]", fmt::join(*column.lists[row], " "));
    else
      out += fmt::format("{}", column.numbers[row]);
  }
  return out;
}

}  // namespace rekindle::dataio
