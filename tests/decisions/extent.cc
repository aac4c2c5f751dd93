#include "tests/decisions/extent.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/worlds/catalogue.h"

namespace rekindle::decisions {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> chosen(bool still, const std::string& one) {
  std::vector<std::string> out;
  std::istringstream named(variable("REKINDLE_WORLDS"));
  for (std::string name; std::getline(named, name, ',');) out.push_back(name);
  if (out.empty()) out = whole() ? worlds::names() : std::vector<std::string>{one};
  std::erase_if(out, [still](const std::string& name) { return name.ends_with("-still") != still; });
  return out;
}

}  // namespace

bool whole() {
  return !variable("REKINDLE_WHOLE").empty();
}

std::vector<std::string> changing_worlds() {
  return chosen(false, "sea-abrupt");
}

std::vector<std::string> still_worlds() {
  return chosen(true, "sea-still");
}

uint32_t seeds(uint32_t all) {
  const std::string asked = variable("REKINDLE_SEEDS");
  return !asked.empty() ? static_cast<uint32_t>(std::stoul(asked)) : whole() ? all : 1;
}

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "rekindle-decisions-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace rekindle::decisions
