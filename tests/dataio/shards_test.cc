// Tar shards and Parquet files as sources of rows: what is read, and what hostile archives are told.
#include "dataio/importing/shards.h"

#include <archive.h>
#include <archive_entry.h>

#include "dataio/import.h"
#include "dataio/importing/tar.h"
#include "dataio/parquet.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Member {
  std::string path, content;
  mode_t type = AE_IFREG;
  std::string link = {};
};

std::string tar_of(const std::vector<Member>& members, bool gzip = false) {
  std::string bytes(4 << 20, '\0');
  size_t used = 0;
  archive* out = archive_write_new();
  archive_write_set_format_pax_restricted(out);
  if (gzip) archive_write_add_filter_gzip(out);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.path.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (member.type == 0)
      archive_entry_set_hardlink(entry, member.link.c_str());
    else
      archive_entry_set_filetype(entry, member.type);
    if (member.type == AE_IFLNK) archive_entry_set_symlink(entry, member.link.c_str());
    archive_entry_set_perm(entry, 0644);
    archive_write_header(out, entry);
    archive_write_data(out, member.content.data(), member.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
  bytes.resize(used);
  return bytes;
}

class Shards : public ::testing::Test {
 protected:
  Shards() { spec_.set_shards("images-*.tar"); }
  void shard(const std::string& name, const std::vector<Member>& members) {
    folder_.write(name, tar_of(members));
  }
  Result<Table> load(std::vector<std::string> wanted) {
    Result<SourceTable> source = load_shards(spec_, folder_.path(), wanted);
    if (!source.ok()) return source.status();
    EXPECT_TRUE(check_table(source->table).ok());
    return source->table;
  }
  std::string why(const std::vector<Member>& members, std::vector<std::string> wanted = {"image", "class"}) {
    shard("images-1.tar", members);
    return load(std::move(wanted)).status().message();
  }

  TempFolder folder_;
  v1::SourceFile spec_;
};

TEST_F(Shards, SamplesBecomeRows) {
  shard("images-2.tar",
        {{"z.jpg", "J2"}, {"z.cls", "7\n"}, {"z.json", R"({"at":"2024-01-03","tokens":[]})"}});
  shard("images-1.tar", {{"./a", "", AE_IFDIR},
                         {"./a/one.json", R"({"at":"2024-01-01","score":0.5,"tokens":[5,17],"none":null})"},
                         {"./a/one.JPG", "J1"},
                         {"./a/one.mask.png", "M1"},
                         {"./a/one.cls", "3"},
                         {"./a/one.txt", "two\nlines\n"},
                         {"./a/one.unknown", "passed over"},
                         {"./a/._two.jpg", "passed over"},
                         {"README", "passed over"},
                         {"./a/two.json", R"({"at":"2024-01-02","score":null,"bright":true})"}});
  const auto table = load({"at", "image", "mask", "class", "text", "score", "tokens", "bright", "sample"});
  ASSERT_TRUE(table.ok()) << table.status().message();
  ASSERT_EQ(table->rows(), 3u);
  EXPECT_EQ(show_row(*table, 0), "2024-01-01T00:00:00Z|<J1>|<M1>|3|two\nlines|0.5|[5 17]|-|a/one");
  EXPECT_EQ(show_row(*table, 1), "2024-01-02T00:00:00Z|-|-|-|-|-|-|1|a/two");
  EXPECT_EQ(show_row(*table, 2), "2024-01-03T00:00:00Z|<J2>|-|7|-|-|[]|-|z");
  EXPECT_THAT(
      load({"weather"}).status().message(),
      HasSubstr("no column 'weather'; their samples have: at, bright, class, image, mask, none, sample, "
                "score, text, tokens"));
  (*spec_.mutable_types())["class"] = v1::TEXT;
  EXPECT_EQ(load({"class"})->columns[0].type, v1::TEXT);
  (*spec_.mutable_types())["image"] = v1::TEXT;
  EXPECT_THAT(load({"image"}).status().message(), HasSubstr("holds bytes values, `types` says text"));
}

TEST_F(Shards, AnImportOfThem) {
  shard("images-1.tar", {{"1.png", "P"},
                         {"1.json", R"({"at":"2024-01-02T10:00:00Z","digit":4})"},
                         {"2.png", "Q"},
                         {"2.json", R"({"at":"2024-01-01T10:00:00Z","digit":1})"}});
  v1::ImportSpec spec;
  spec.set_dataset("digits");
  *spec.mutable_rows() = spec_;
  for (const char* name : {"at", "image", "digit"}) spec.add_keep(name);
  spec.set_time("at");
  const auto table = import_table(spec, folder_.path());
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(show_row(*table, 0), "2024-01-01T10:00:00Z|<Q>|1");
  spec.set_time("digit");
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(),
              HasSubstr("'digit' holds number values; timestamp is needed"));
}

TEST_F(Shards, HostileMembersAreNamed) {
  const Member good{"1.jpg", "J"};
  EXPECT_THAT(why({good, {"../2.jpg", "x"}}),
              HasSubstr("images-1.tar: member '../2.jpg' has a path that leaves"));
  EXPECT_THAT(why({good, {"a/../../2.jpg", "x"}}), HasSubstr("leaves its folder"));
  EXPECT_THAT(why({good, {"/etc/2.jpg", "x"}}), HasSubstr("member '/etc/2.jpg' has a path that leaves"));
  EXPECT_THAT(why({good, {"2.jpg", "", AE_IFLNK, "/etc/passwd"}}),
              HasSubstr("member '2.jpg' is a symbolic link"));
  EXPECT_THAT(why({good, {"2.jpg", "", 0, "1.jpg"}}), HasSubstr("member '2.jpg' is a hard link"));
  EXPECT_THAT(why({good, {"2.jpg", "", AE_IFCHR}}), HasSubstr("member '2.jpg' is a device"));
  EXPECT_THAT(why({good, {"2.jpg", "", AE_IFIFO}}), HasSubstr("member '2.jpg' is a pipe"));
  EXPECT_THAT(why({good, {"2.jpg", "x"}, {"2.jpg", "y"}}), HasSubstr("member '2.jpg' is there twice"));
  EXPECT_THAT(why({good, {"1.png", "y"}}),
              HasSubstr("'1.png': sample '1' has a second value of column 'image'"));
  EXPECT_THAT(why({good, {"2.jpg", "x"}, {"1.cls", "3"}}), HasSubstr("sample '1' comes a second time"));
  EXPECT_THAT(why({good, {std::string(2000, 'n') + ".jpg", "x"}}), HasSubstr("has a name that is no UTF-8"));
  EXPECT_THAT(why({good, {"1.cls", "\xFF"}}), HasSubstr("member '1.cls' is no UTF-8 text"));
  EXPECT_THAT(why({good, {"1.cls", std::string(kMemberTextBytesMax + 1, '1')}}),
              HasSubstr("'1.cls' is larger than"));
  EXPECT_THAT(why({good, {"1.json", "{"}}), HasSubstr("member '1.json' is no JSON object"));
  EXPECT_THAT(why({good, {"1.json", "[1]"}}), HasSubstr("is no JSON object: another value"));
  EXPECT_THAT(why({good, {"1.json", std::string(100, '[')}}), HasSubstr("is no JSON object"));
  EXPECT_THAT(why({good, {"1.json", R"({"a":{"b":1}})"}}), HasSubstr("'a' is an object"));
  EXPECT_THAT(why({good, {"1.json", R"({"a":[1,-1]})"}}), HasSubstr("'a' is no list of whole numbers"));
  EXPECT_THAT(why({good, {"1.json", R"({"image":1})"}}),
              HasSubstr("column 'image' is text here and bytes before"));
  EXPECT_THAT(why({good, {"1.json", R"({"sample":1})"}}),
              HasSubstr("the column 'sample' is the sample's name"));
  EXPECT_THAT(why({{"README", "x"}}), HasSubstr("no member is part of a sample"));
  EXPECT_THAT(why({good, {"1.cls", "a"}}, {"image", "label"}), HasSubstr("no column 'label'"));
  folder_.write("images-1.tar", tar_of({good}, true));
  EXPECT_THAT(load({"image"}).status().message(), HasSubstr("is compressed"));
  spec_.set_shards("../images-*.tar");
  EXPECT_EQ(load({"image"}).status().code(), Code::kInvalidArgument);
  spec_.set_shards("none-*.tar");
  EXPECT_EQ(load({"image"}).status().code(), Code::kNotFound);
}

// A kilobyte of file that says it holds a terabyte of zeros.
TEST_F(Shards, ASparseMemberIsNoBomb) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, "1.jpg");
  put(100, "0000644");
  put(124, "00000000000 ");
  put(136, "00000000000 ");
  header[156] = 'S';
  put(257, "ustar  ");
  put(386, "00000000000 ");  // a hole up to
  put(398, "00000000000 ");
  put(483, "77777777777 ");  // its real size
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  folder_.write("images-1.tar", header + std::string(1024, '\0'));
  EXPECT_THAT(load({"image"}).status().message(), HasSubstr("member '1.jpg' is larger than"));
}

TEST_F(Shards, CutOrBentAnywhereIsAnErrorOrTheRows) {
  std::vector<Member> members;
  for (int i = 0; i < 8; ++i) {
    members.push_back({fmt::format("{:03}.jpg", i), std::string(700, static_cast<char>('a' + i))});
    members.push_back({fmt::format("{:03}.cls", i), std::to_string(i)});
  }
  const std::string tar = tar_of(members);
  const size_t content = 8 * (512 + 1024 + 512 + 512);
  for (size_t cut = 0; cut < content; cut += 256) {
    folder_.write("images-1.tar", tar.substr(0, cut));
    const auto table = load({"image", "class"});
    EXPECT_FALSE(table.ok()) << cut;
  }
  for (size_t at = 0; at < content; at += 131) {
    std::string bent = tar;
    bent[at] ^= 0x15;
    folder_.write("images-1.tar", bent);
    const auto table = load({"image", "class"});
    if (table.ok()) {
      EXPECT_LE(table->rows(), 9u) << at;
    }
  }
}

TEST_F(Shards, AParquetFileIsASource) {
  Table rows;
  rows.add(time_column("at", {micros("2024-01-02"), micros("2024-01-01")}));
  rows.add(bytes_column("picture", {"x", "y"}));
  rows.add(tokens_column("words", {{1, 2}, {3}}));
  rows.add(number_column("late", {1, 0}));
  folder_.write("rows.parquet", write_parquet(rows).value());
  v1::ImportSpec spec;
  spec.set_dataset("small");
  spec.mutable_rows()->set_file("rows.parquet");
  for (const char* name : {"at", "picture", "words", "late", "late2"}) spec.add_keep(name);
  spec.set_time("at");
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(), HasSubstr("has no column 'late2'"));
  v1::Derive* derive = spec.add_derive();
  derive->set_column("late2");
  derive->mutable_compare()->set_column("late");
  derive->mutable_compare()->set_op(v1::Compare::GREATER);
  auto table = import_table(spec, folder_.path());
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(show_row(*table, 0), "2024-01-01T00:00:00Z|<y>|[3]|0|0");
  (*spec.mutable_rows()->mutable_types())["late"] = v1::TEXT;
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(),
              HasSubstr("column 'late' of rows.parquet holds number values; text is needed"));
  spec.mutable_rows()->mutable_types()->clear();
  folder_.write("rows.parquet", "PAR1 and nothing more");
  EXPECT_EQ(import_table(spec, folder_.path()).status().code(), Code::kDataLoss);
}

TEST_F(Shards, TokensAreWrittenInACsv) {
  v1::ImportSpec spec = small_spec();
  (*spec.mutable_rows()->mutable_types())["word"] = v1::TOKENS;
  folder_.write("rows.csv", "when,x,word\n2013-01-01,1,5 17  2\n2013-01-02,2,\n");
  auto table = import_table(spec, folder_.path());
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(show_row(*table, 0), "2013-01-01T00:00:00Z|1|[5 17 2]");
  EXPECT_EQ(show_row(*table, 1), "2013-01-02T00:00:00Z|2|-");
  for (const char* bad : {"5,-1", "5;1", "x", "99999999999", "1.5"}) {
    folder_.write("rows.csv", fmt::format("when,x,word\n2013-01-01,1,\"{}\"\n", bad));
    EXPECT_THAT(import_table(spec, folder_.path()).status().message(), HasSubstr("is not a list of tokens"))
        << bad;
  }
  (*spec.mutable_rows()->mutable_types())["word"] = v1::BYTES;
  EXPECT_THAT(import_table(spec, folder_.path()).status().message(), HasSubstr("cannot be bytes"));
}

}  // namespace
}  // namespace rekindle::dataio
