#include "built_plugin.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/code.h"

namespace rekindle::trainer {

std::string built_plugin(const fs::path& folder, const std::string& source) {
  fs::copy("examples/plugin", folder);
  if (!source.empty()) EXPECT_TRUE(write_file_durably(folder / "wide.c", source).ok());
  const std::string line =
      "make -s -C " + folder.string() + " CPPFLAGS=-I" + fs::absolute("trainer/plugin").string();
  EXPECT_EQ(std::system(line.c_str()), 0) << line;
  return runtime::pack_code(folder).value();
}

}  // namespace rekindle::trainer
