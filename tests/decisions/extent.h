// How much of the whole is tried, and where it is put.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rekindle::decisions {

// Of the nightly suite: hours. Else one small world.
bool whole();

// Worlds in which something changes: all of them, those that $REKINDLE_WORLDS names, or one.
std::vector<std::string> changing_worlds();
// Worlds that stand still.
std::vector<std::string> still_worlds();
// Of each world: $REKINDLE_SEEDS, or `all` of the whole, or one.
uint32_t seeds(uint32_t all);

// A folder of its own, gone with this.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace rekindle::decisions
