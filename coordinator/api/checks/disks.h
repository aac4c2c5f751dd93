// Refusal of new work while a disk that it would fill has no room.
#pragma once

#include <array>

#include "coordinator/context.h"
#include "coordinator/disk_room.h"

namespace rekindle::coordinator {

inline Status check_disks(const Context& context) {
  const std::array folders = {context.folder.path(), context.folder.runs(), context.options.artifacts};
  return check_room(folders);
}

}  // namespace rekindle::coordinator
