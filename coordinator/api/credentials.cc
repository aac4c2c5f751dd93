// Credentials of users in the clusters of pools: each sets their own, operators see and revoke everybody's.
#include <fmt/format.h>

#include "coordinator/api/api.h"
#include "coordinator/credentials.h"
#include "jobs/pools/pools.h"
#include "launch/slurm/identity.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr size_t kTokenBytesMax = 16 * 1024;

Result<const v1::Pool*> pool_with_credentials(const Context& c, const std::string& name) {
  const v1::Pool* pool = jobs::find_pool(c.pools.now(), name);
  if (pool == nullptr) return jobs::no_such_pool(c.pools.now(), name);
  if (pool->slurm().submit_as() == v1::SlurmPool::OWNER) return pool;
  return failed_precondition(
      fmt::format("pool '{}' launches every run as the coordinator's own account and takes no credentials; "
                  "`submit_as: owner` in pools.yaml would change that",
                  name));
}

// Slurm is asked before anything is kept: what it does not take would only let runs wait.
awaitable<Result<v1::Credential>> set_credential(Context& c, v1::SetCredentialRequest request,
                                                 Caller caller) {
  Status checked = check_length("token", request.token(), kTokenBytesMax);
  if (!checked.ok()) co_return checked;
  Result<const v1::Pool*> pool = pool_with_credentials(c, request.pool());
  if (!pool.ok()) co_return pool.status();
  std::function<Result<v1::Credential>()> work =
      [pool = **pool, token = request.token(), owner = caller.who.name, now = c.clock.wall(),
       file = c.folder.credentials(), gang = c.options.gang_program]() -> Result<v1::Credential> {
    const auto identity = TRY(launch::slurm::identity_of(token));
    TRY_STATUS(launch::slurm::try_identity(identity, pool.slurm(), gang));
    return Credentials(file).set(pool.name(), owner, token, now);
  };
  co_return co_await done_on(c.pool, std::move(work));
}

awaitable<Result<v1::ListCredentialsResponse>> list_credentials(Context& c, v1::ListCredentialsRequest,
                                                                Caller caller) {
  const auto all = Credentials(c.folder.credentials()).list();
  if (!all.ok()) co_return all.status();
  v1::ListCredentialsResponse out;
  for (const v1::Credential& one : *all)
    if (one.owner() == caller.who.name || caller.who.is_operator()) *out.add_credentials() = one;
  co_return out;
}

awaitable<Result<v1::Credential>> revoke_credential(Context& c, v1::RevokeCredentialRequest request,
                                                    Caller caller) {
  const std::string owner = request.owner().empty() ? caller.who.name : request.owner();
  if (owner != caller.who.name && !caller.who.is_operator())
    co_return permission_denied("a submitter revokes their own credentials alone; an operator anybody's");
  co_return Credentials(c.folder.credentials()).revoke(request.pool(), owner);
}

}  // namespace

void add_credential_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "CredentialService/SetCredential", Access::kSubmitter, &set_credential);
  add_method(server, context, "CredentialService/ListCredentials", Access::kViewer, &list_credentials);
  add_method(server, context, "CredentialService/RevokeCredential", Access::kSubmitter, &revoke_credential);
}

}  // namespace rekindle::coordinator
