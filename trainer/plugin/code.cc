#include "trainer/plugin/code.h"

#include "runtime/code.h"

namespace rekindle::trainer {

Result<PluginCode> PluginCode::prepare(const artifacts::Store& store, const v1::Model& kind,
                                       const v1::Code& code, const fs::path& folder) {
  PluginCode out;
  if (!kind.has_plugin()) return out;
  if (code.sha256().empty())
    return invalid_argument("train.model.plugin needs the packed folder of train.code: apply the spec again");
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (error) return unavailable("making " + folder.parent_path().string() + ": " + error.message());
  TRY_STATUS(runtime::prepare_code(store, code, folder));
  out.path_ = folder;
  out.owned_ = true;
  return out;
}

PluginCode PluginCode::lent(fs::path folder) {
  PluginCode out;
  out.path_ = std::move(folder);
  return out;
}

PluginCode& PluginCode::operator=(PluginCode&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(owned_, other.owned_);
  return *this;
}

void PluginCode::remove() {
  if (owned_) runtime::remove_folder(path_);
}

}  // namespace rekindle::trainer
