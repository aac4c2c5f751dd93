// The code folder of a plugin while a rank needs it: unpacked from the artifact store, removed with this.
#pragma once

#include <utility>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::trainer {

class PluginCode {
 public:
  PluginCode() = default;
  PluginCode(PluginCode&& other) noexcept { *this = std::move(other); }
  PluginCode& operator=(PluginCode&& other) noexcept;
  ~PluginCode() { remove(); }

  // Nothing for a kind that needs none. `folder` must be this caller's alone.
  static Result<PluginCode> prepare(const artifacts::Store& store, const v1::Model& kind,
                                    const v1::Code& code, const fs::path& folder);

  // Somebody else's folder, which stays.
  static PluginCode lent(fs::path folder);

  const fs::path& path() const { return path_; }

 private:
  void remove();
  fs::path path_;
  bool owned_ = false;
};

}  // namespace rekindle::trainer
