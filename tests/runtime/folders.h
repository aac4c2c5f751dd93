// A temporary folder and files in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "base/files.h"
#include "runtime/code.h"

namespace rekindle::runtime {

class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    std::string name = (fs::temp_directory_path() / "rekindle-runtime-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    base_ = name;
    code_ = base_ / "code";
    fs::create_directories(code_);
  }
  ~FolderTest() override {
    for (const auto& entry : fs::directory_iterator(base_)) remove_folder(entry.path());
    fs::remove_all(base_);
  }
  void write(const fs::path& name, const std::string& text, int mode = 0644) {
    fs::create_directories((code_ / name).parent_path());
    EXPECT_TRUE(write_file_durably(code_ / name, text, mode).ok());
  }

  fs::path base_, code_;
};

}  // namespace rekindle::runtime
