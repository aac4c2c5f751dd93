#include "coordinator/api/checks/owner.h"

#include <fmt/format.h>

namespace rekindle::coordinator {

// Everybody may see what there is, so a refusal tells whose it is, in place of claiming that there is
// nothing.
Status check_owner(const core::State& state, const net::Caller& caller, const std::string& job) {
  const v1::Job* found = core::find_job(state, job);
  if (found == nullptr || caller.who.is_operator() || caller.who.name == found->owner()) return ok_status();
  const std::string whose = found->owner().empty() ? "an operator's" : fmt::format("of '{}'", found->owner());
  return permission_denied(
      fmt::format("job '{}' and its runs are {}: '{}' may not change them, an operator or an "
                  "admin may",
                  job, whose, caller.who.name));
}

}  // namespace rekindle::coordinator
