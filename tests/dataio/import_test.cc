// Imports of small files: what is read rightly, and what is refused with file, line and fix.
#include "dataio/import.h"

#include <archive.h>
#include <archive_entry.h>

#include "artifacts/fake_store.h"
#include "dataio/csv/source.h"
#include "dataio/snapshot.h"
#include "proto/time.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string zip_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes(1 << 20, '\0');
  size_t used = 0;
  archive* out = archive_write_new();
  archive_write_set_format_zip(out);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(out, entry);
    archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
  bytes.resize(used);
  return bytes;
}

class Import : public ::testing::Test {
 protected:
  Result<Table> import(std::string_view csv) { return import(small_spec(), csv); }
  Result<Table> import(const v1::ImportSpec& spec, std::string_view csv) {
    folder_.write("rows.csv", csv);
    return import_table(spec, folder_.path());
  }
  std::vector<std::string> rows(const Result<Table>& table) {
    if (!table.ok()) return {table.status().to_string()};
    std::vector<std::string> out;
    for (size_t row = 0; row < table.value().rows(); ++row) out.push_back(show_row(table.value(), row));
    return out;
  }

  TempFolder folder_;
};

TEST_F(Import, ReadsWhatRfc4180Allows) {
  const std::vector<std::string> expected = {"2013-01-01T00:00:00Z|1|a,b", "2013-01-02T00:00:00Z|-|-",
                                             "2013-01-03T00:00:00Z|-2500|say \"hi\""};
  const std::string lf =
      "when,x,word,ignored\n2013-01-01,1,\"a,b\",z\n2013-01-02,NA,,\n2013-01-03,-2.5e3,\"say "
      "\"\"hi\"\"\",z\n";
  EXPECT_EQ(rows(import(lf)), expected);
  std::string crlf, cr;
  for (char c : lf) c == '\n' ? crlf += "\r\n" : crlf += c, cr += c == '\n' ? '\r' : c;
  EXPECT_EQ(rows(import(crlf)), expected);
  EXPECT_EQ(rows(import(cr)), expected);
  EXPECT_EQ(rows(import("\xEF\xBB\xBF" + lf)), expected) << "byte order mark";
  EXPECT_EQ(rows(import(lf.substr(0, lf.size() - 1))), expected) << "no line end at the end";
  EXPECT_EQ(rows(import("\n\n" + lf + "\n\n")), expected) << "blank lines";
  EXPECT_THAT(rows(import("when,x,word\n2013-01-01,1,\"two\nlines\"\n")),
              ElementsAre("2013-01-01T00:00:00Z|1|two\nlines"));
  EXPECT_THAT(rows(import("when,x,word\n2013-01-01,1,5\" pipe\n")),
              ElementsAre("2013-01-01T00:00:00Z|1|5\" pipe"));
  EXPECT_THAT(rows(import("word,when,x\n\xC3\xA4\xE2\x82\xAC,2013-01-01,1\n")),
              ElementsAre("2013-01-01T00:00:00Z|1|\xC3\xA4\xE2\x82\xAC"));
}

TEST_F(Import, SortsByTimeAndKeepsTheOrderOfEqualTimes) {
  EXPECT_THAT(rows(import("when,x,word\n2013-01-02,1,a\n2013-01-01,2,b\n2013-01-02,3,c\n2013-01-01,4,d\n")),
              ElementsAre("2013-01-01T00:00:00Z|2|b", "2013-01-01T00:00:00Z|4|d", "2013-01-02T00:00:00Z|1|a",
                          "2013-01-02T00:00:00Z|3|c"));
}

TEST_F(Import, GuessesTypesFromAllValues) {
  struct Case {
    const char* values;
    v1::ColumnType type;
  };
  const Case cases[] = {{"1,2.5,-3e2,NA", v1::NUMBER},
                        {"1,2,x,4", v1::TEXT},
                        {"1,007,3,4", v1::TEXT},
                        {"0,0.5,-1,+2", v1::NUMBER},
                        {"2013-01-01,NA,2013-01-01T10:00:00Z,", v1::TIMESTAMP},
                        {"true,false,NA,TRUE", v1::BOOL},
                        {"NA,,NA,", v1::NUMBER},
                        {"1,nan,2,3", v1::TEXT},
                        {"1,inf,2,3", v1::TEXT},
                        {"1,0x10,2,3", v1::TEXT},
                        {"1e999,2,3,4", v1::TEXT}};
  for (const Case& c : cases) {
    std::string csv = "when,x,word\n";
    std::string_view values = c.values;
    for (int i = 0; i < 4; ++i) {
      csv += "2013-01-01," + std::string(values.substr(0, values.find(','))) + ",w\n";
      values.remove_prefix(std::min(values.size(), values.find(',') + 1));
    }
    EXPECT_EQ(import(csv).value().find("x")->type, c.type) << c.values;
  }
}

TEST_F(Import, ObeysGivenTypes) {
  v1::ImportSpec spec = small_spec();
  (*spec.mutable_rows()->mutable_types())["x"] = v1::TEXT;
  EXPECT_EQ(import(spec, "when,x,word\n2013-01-01,1,w\n").value().find("x")->type, v1::TEXT);
  (*spec.mutable_rows()->mutable_types())["x"] = v1::BOOL;
  EXPECT_THAT(rows(import(spec, "when,x,word\n2013-01-01,1,w\n")), ElementsAre("2013-01-01T00:00:00Z|1|w"));
  (*spec.mutable_rows()->mutable_types())["x"] = v1::NUMBER;
  EXPECT_THAT(rows(import(spec, "when,x,word\n2013-01-01,007,w\n")), ElementsAre("2013-01-01T00:00:00Z|7|w"));
  EXPECT_THAT(import(spec, "when,x,word\n2013-01-01,1,w\n2013-01-01,oops,w\n").status().message(),
              HasSubstr("rows.csv:3: column 'x': 'oops' is not a number"));
  (*spec.mutable_rows()->mutable_types())["y"] = v1::NUMBER;
  EXPECT_THAT(import(spec, "when,x,word\n2013-01-01,1,w\n").status().message(), HasSubstr("no column 'y'"));
}

TEST_F(Import, RefusesDamagedFilesWithLineAndFix) {
  const std::string good = "when,x,word\n2013-01-01,1,a\n";
  struct Case {
    std::string csv;
    const char* says;
  };
  const Case cases[] = {
      {"", "rows.csv is empty"},
      {"\n\n", "rows.csv is empty"},
      {"when,x,word\n", "rows.csv has no rows"},
      {"when,x\n2013-01-01,1\n", "rows.csv has no column 'word'; it has: when, x"},
      {"when;x;word\n2013-01-01;1;a\n", "it has: when;x;word; fields must be separated by commas"},
      {"when,x,word,x\n", "rows.csv:1: two columns are named 'x'"},
      {good + "2013-01-01,1\n", "rows.csv:3: 2 fields, the header has 3"},
      {good + "2013-01-01,1,a,b\n", "rows.csv:3: 4 fields, the header has 3"},
      {good + "\n\n2013-01-01\n", "rows.csv:5: 1 fields"},
      {good + "2013-01-01,1,\"open\n2013-01-02,1,b\n", "rows.csv:3: a quote is opened here and never closed"},
      {good + "2013-01-01,1,\"a\"b\n", "rows.csv:3: text follows a closing quote"},
      {good + "2013-01-01,1,\xE4\n", "rows.csv:3: byte 0xe4 is not UTF-8"},
      {good + "2013-01-01,1,\xC0\x80\n", "rows.csv:3: byte 0xc0 is not UTF-8"},
      {good + "2013-01-01,1,\xE0\x80\x80\n", "rows.csv:3: byte 0xe0 is not UTF-8"},
      {good + "2013-01-01,1,\xF0\x80\x80\x80\n", "rows.csv:3: byte 0xf0 is not UTF-8"},
      {good + "2013-01-01,1,\xF4\x90\x80\x80\n", "rows.csv:3: byte 0xf4 is not UTF-8"},
      {good + "2013-01-01,1,\xED\xA0\x80\n", "rows.csv:3: byte 0xed is not UTF-8"},
      {good + std::string("2013-01-01,1,\0\n", 15), "rows.csv:3: byte 0x00 is not UTF-8"},
      {good + "2013-01-01,1,\xC3", "rows.csv:3: byte 0xc3 is not UTF-8"},
      {"\xFF\xFEw", "UTF-16"},
      {good + "NA,1,b\n", "rows.csv:3: the row has no 'when'"},
      {"when,x,word\nyesterday,1,b\n", "'when' holds text values; timestamp is needed"},
      {"when,x,word\n2013-02-30,1,b\n", "'when' holds text values; timestamp is needed"},
      {good + "2013-01-01,1,\"" + std::string(2 << 20, 'a') + "\"\n", "rows.csv:3: a field has more than"},
  };
  for (const Case& c : cases) {
    const Result<Table> imported = import(c.csv);
    ASSERT_FALSE(imported.ok()) << c.says;
    EXPECT_THAT(imported.status().message(), HasSubstr(c.says));
  }
}

TEST_F(Import, NeedsAFileBelowTheSourceFolder) {
  v1::ImportSpec spec = small_spec();
  spec.mutable_rows()->set_file("nothing.csv");
  EXPECT_EQ(import_table(spec, folder_.path()).status().code(), Code::kNotFound);
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(), HasSubstr("--source"));
  for (const char* file : {"/etc/passwd", "../rows.csv", "a/../../b", ""}) {
    spec.mutable_rows()->set_file(file);
    EXPECT_EQ(import_table(spec, folder_.path()).status().code(), Code::kInvalidArgument) << file;
  }
}

TEST_F(Import, ReadsTheOneFileOfAZip) {
  v1::ImportSpec spec = small_spec();
  spec.mutable_rows()->set_file("rows.zip");
  const std::string csv = "when,x,word\n2013-01-01,1,a\n";
  folder_.write("rows.zip", zip_of({{"__MACOSX/rows.csv", "junk"}, {"inner/rows.csv", csv}}));
  EXPECT_THAT(rows(import_table(spec, folder_.path())), ElementsAre("2013-01-01T00:00:00Z|1|a"));
  folder_.write("rows.zip", zip_of({{"a.csv", csv}, {"b.csv", csv}}));
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(),
              HasSubstr("more than one file (a.csv, b.csv)"));
  folder_.write("rows.zip", zip_of({}));
  EXPECT_FALSE(import_table(spec, folder_.path()).ok());
  folder_.write("rows.zip", zip_of({{"rows.csv", "when,x,word\n2013-01-01,1\n"}}));
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(),
              HasSubstr("rows.zip:rows.csv:2: 2 fields"));
}

// Cut anywhere or bent anywhere, a zip gives an error or its rows, never a crash.
TEST_F(Import, DamagedZipsAreErrors) {
  v1::ImportSpec spec = small_spec();
  spec.mutable_rows()->set_file("rows.zip");
  std::string csv = "when,x,word\n";
  for (int i = 0; i < 300; ++i)
    csv += "2013-01-01," + std::to_string(i * 7919 % 1000) + ",w" + std::to_string(i) + "\n";
  const std::string zip = zip_of({{"rows.csv", csv}});
  for (size_t cut = 0; cut < zip.size(); cut += 37) {
    folder_.write("rows.zip", zip.substr(0, cut));
    const Result<Table> imported = import_table(spec, folder_.path());
    if (imported.ok()) {
      EXPECT_EQ(imported.value().rows(), 300u) << cut;
    }
  }
  for (size_t at = 0; at < zip.size(); at += 11) {
    std::string bent = zip;
    bent[at] ^= 0x15;
    folder_.write("rows.zip", bent);
    const Result<Table> imported = import_table(spec, folder_.path());
    if (imported.ok()) {
      EXPECT_EQ(imported.value().rows(), 300u) << at;
    }
  }
}

TEST_F(Import, UnpackingStopsAtTheLimit) {
  const std::string zip = zip_of({{"rows.csv", std::string(10000, 'a')}});
  EXPECT_EQ(source_text("rows.zip", zip, 9999).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(source_text("rows.zip", zip, 10000).ok());
}

}  // namespace
}  // namespace rekindle::dataio
