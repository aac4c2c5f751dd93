// What is packed comes out the same, and nothing else gets in or out.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "artifacts/fake_store.h"
#include "artifacts/manifest.h"
#include "base/hash.h"
#include "tests/runtime/folders.h"

namespace rekindle::runtime {
namespace {

using testing::HasSubstr;
using Code_ = FolderTest;

TEST_F(Code_, ComesOutAsItWentIn) {
  write("train.py", "print(1)\n");
  write("run.sh", "#!/bin/sh\n", 0755);
  write("a folder/with \"odd\" names/\xc3\xa4.txt", std::string("\0\n", 2));
  fs::create_directories(code_ / "empty");
  fs::create_symlink("../train.py", code_ / "empty/link.py");
  write(".git/config", "secret");
  write("__pycache__/train.pyc", "x");
  const std::string tar = pack_code(code_).value();
  const Status unpacked = unpack_code(tar, base_ / "out");
  ASSERT_TRUE(unpacked.ok()) << unpacked.to_string();
  EXPECT_EQ(read_file(base_ / "out/train.py").value(), "print(1)\n");
  EXPECT_EQ(read_file(base_ / "out/a folder/with \"odd\" names/\xc3\xa4.txt").value(),
            std::string("\0\n", 2));
  EXPECT_EQ(fs::read_symlink(base_ / "out/empty/link.py"), "../train.py");
  EXPECT_FALSE(fs::exists(base_ / "out/.git"));
  EXPECT_FALSE(fs::exists(base_ / "out/__pycache__"));
  struct stat info {};
  ASSERT_EQ(::stat((base_ / "out/run.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0555u);
  ASSERT_EQ(::stat((base_ / "out/train.py").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0444u);
  EXPECT_EQ(pack_code(base_ / "out").value().size(), tar.size());
}

TEST_F(Code_, EqualFoldersGiveEqualTars) {
  for (const char* name : {"b", "a", "z/y", "z-", "Z"}) write(name, name);
  const std::string tar = pack_code(code_).value();
  const fs::path other = base_ / "elsewhere";
  fs::create_directories(other);
  for (const char* name : {"Z", "z-", "z/y", "a", "b"}) {
    fs::create_directories((other / name).parent_path());
    ASSERT_TRUE(write_file_durably(other / name, name, 0600).ok());
    fs::last_write_time(other / name, fs::file_time_type::clock::now() - std::chrono::hours(1000));
  }
  EXPECT_EQ(pack_code(other).value(), tar);
  // Of this tar on any machine: what lineage names must not depend on who packed.
  EXPECT_EQ(sha256_hex(tar), "de17791769ea3e974c06611b567f6ca1b0ac0759e6ba1024bc7e8bcdcfcf7069");
  ASSERT_TRUE(write_file_durably(other / "a", "A").ok());
  EXPECT_NE(pack_code(other).value(), tar);
}

TEST_F(Code_, WhatLeavesTheFolderIsRefused) {
  for (const char* target : {"/etc/passwd", "../../etc/passwd", "../code-beside/x", "up/../../x"}) {
    fs::create_symlink(target, code_ / "link");
    EXPECT_THAT(pack_code(code_).status().message(), HasSubstr("the link 'link' leaves the code folder"))
        << target;
    fs::remove(code_ / "link");
  }
  // By way of another link.
  fs::create_directory_symlink("/etc", base_ / "code/etc");
  EXPECT_THAT(pack_code(code_).status().message(), HasSubstr("leaves the code folder, to /etc"));
  fs::remove(code_ / "etc");
  ASSERT_EQ(::mkfifo((code_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(pack_code(code_).status().message(), HasSubstr("'pipe' in the code folder is neither"));
  EXPECT_EQ(pack_code(base_ / "nowhere").status().code(), Code::kNotFound);
}

TEST_F(Code_, IsBounded) {
  write("big", "");
  ASSERT_EQ(::truncate((code_ / "big").c_str(), 300'000'000), 0);
  EXPECT_THAT(pack_code(code_).status().message(), HasSubstr("holds more than 10000 files or 256.0MB"));
  fs::remove(code_ / "big");
  for (const char* name : {"a", "b", "c"}) write(name, "12345");
  EXPECT_TRUE(pack_code(code_, {.bytes = 15, .files = 3}).ok());
  EXPECT_FALSE(pack_code(code_, {.bytes = 14, .files = 3}).ok());
  EXPECT_FALSE(pack_code(code_, {.bytes = 15, .files = 2}).ok());
}

// A tar that no packer of ours made.
std::string tar_of(const std::string& name, int type, const std::string& target) {
  std::string out(64 * 1024, '\0');
  size_t used = 0;
  archive* tar = archive_write_new();
  archive_write_set_format_pax_restricted(tar);
  archive_write_open_memory(tar, out.data(), out.size(), &used);
  const auto add = [tar](const std::string& path, int kind, const std::string& to) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, path.c_str());
    archive_entry_set_filetype(entry, static_cast<unsigned>(kind));
    archive_entry_set_perm(entry, 0755);
    if (kind == AE_IFLNK) archive_entry_set_symlink(entry, to.c_str());
    if (kind == AE_IFREG) archive_entry_set_size(entry, 1);
    archive_write_header(tar, entry);
    if (kind == AE_IFREG) archive_write_data(tar, "x", 1);
    archive_entry_free(entry);
  };
  add("inner", AE_IFDIR, "");
  add("loop", AE_IFLNK, "inner");
  add(name, type, target);
  archive_write_close(tar);
  archive_write_free(tar);
  out.resize(used);
  return out;
}

TEST_F(Code_, AHostileTarStaysInItsFolder) {
  struct Case {
    std::string name;
    int type;
    std::string target;
  };
  for (const Case& one :
       {Case{"../x", AE_IFREG, ""}, Case{"/tmp/rekindle-x", AE_IFREG, ""},
        Case{"inner/../../x", AE_IFREG, ""}, Case{"loop/x", AE_IFREG, ""}, Case{"nowhere/x", AE_IFREG, ""},
        Case{"a", AE_IFLNK, "/etc/passwd"}, Case{"a", AE_IFLNK, "../x"}, Case{"inner/a", AE_IFLNK, "../../x"},
        Case{"a", AE_IFIFO, ""}, Case{"loop", AE_IFREG, ""}}) {
    const Status status = unpack_code(tar_of(one.name, one.type, one.target), base_ / "out");
    EXPECT_FALSE(status.ok()) << one.name << " -> " << one.target;
    EXPECT_FALSE(fs::exists(base_ / "out"));
    EXPECT_FALSE(fs::exists(base_ / "x"));
  }
  EXPECT_TRUE(unpack_code(tar_of("fine", AE_IFREG, ""), base_ / "out").ok());
}

TEST_F(Code_, DamageIsSaid) {
  write("train.py", std::string(100'000, 'x'));
  const std::string tar = pack_code(code_).value();
  for (const size_t size : {size_t{100}, size_t{600}, size_t{50'000}}) {
    EXPECT_EQ(unpack_code(tar.substr(0, size), base_ / "out").code(), Code::kDataLoss) << size;
    EXPECT_FALSE(fs::exists(base_ / "out"));
  }
}

TEST_F(Code_, IsTakenFromTheStoreOnce) {
  write("train.py", "print(1)\n");
  artifacts::FakeStore store;
  v1::Code code;
  code.set_sha256(store.put(pack_code(code_).value()).value());
  ASSERT_TRUE(prepare_code(store, code, base_ / "a/b/out").ok());
  EXPECT_EQ(read_file(base_ / "a/b/out/train.py").value(), "print(1)\n");
  store.forget(code.sha256());
  EXPECT_TRUE(prepare_code(store, code, base_ / "a/b/out").ok()) << "it is there already";
  EXPECT_EQ(prepare_code(store, code, base_ / "again").code(), Code::kNotFound);
  ASSERT_TRUE(prepare_code(store, v1::Code(), base_ / "none").ok());
  EXPECT_TRUE(fs::is_empty(base_ / "none"));
}

TEST_F(Code_, AVersionsFilesAreLaidOut) {
  artifacts::FakeStore store;
  artifacts::ManifestWriter writer(store, "late");
  ASSERT_TRUE(writer.add("model.json", "{}").ok());
  ASSERT_TRUE(writer.add("out/model.txt", "tree").ok());
  ASSERT_TRUE(writer.add("out/deep/er/x.bin", "b").ok());
  const v1::Manifest manifest = artifacts::load_manifest(store, writer.finish().value()).value();
  ASSERT_TRUE(prepare_version(store, manifest, base_ / "version").ok());
  EXPECT_EQ(read_file(base_ / "version/model.txt").value(), "tree");
  EXPECT_EQ(read_file(base_ / "version/deep/er/x.bin").value(), "b");
  EXPECT_FALSE(fs::exists(base_ / "version/model.json"));
}

TEST_F(Code_, TheCommitIsThatOfTheFolder) {
  const std::string in = "cd '" + base_.string() + "' && ";
  const std::string git = "git -c user.name=a -c user.email=a@b ";
  if (std::system("git --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no git here";
  v1::Code code;
  record_commit(code_, code);
  EXPECT_EQ(code.commit(), "") << "no repository";
  write("train.py", "1");
  ASSERT_EQ(std::system((in + "git init -q . && git add . && " + git + "commit -qm a").c_str()), 0);
  record_commit(code_, code);
  EXPECT_EQ(code.commit().size(), 40u);
  EXPECT_FALSE(code.dirty());
  const std::string first = code.commit();
  // A commit of something else is not the folder's.
  ASSERT_EQ(std::system((in + "echo x > beside && git add . && " + git + "commit -qm b").c_str()), 0);
  record_commit(code_, code);
  EXPECT_EQ(code.commit(), first);
  write("new.py", "2");
  record_commit(code_, code);
  EXPECT_TRUE(code.dirty());
}

}  // namespace
}  // namespace rekindle::runtime
