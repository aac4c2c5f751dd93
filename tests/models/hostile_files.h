// Safetensors files that somebody made to do harm, each with what the reader must say of it; and some odd
// ones that it must accept. The table is test input, seed of the fuzz target and, written to a folder,
// input of the Python package.
#pragma once

#include <string>
#include <vector>

namespace rekindle::models {

struct HostileFile {
  std::string name;  // of the file
  std::string bytes;
  std::string says;  // a part of the refusal's message; empty: to be accepted
};

const std::vector<HostileFile>& hostile_files();

// A file of this many tensors of one byte each; a million of them make a header of 60 MB.
std::string many_tensors(size_t count);

}  // namespace rekindle::models
