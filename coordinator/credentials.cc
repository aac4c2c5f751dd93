#include "coordinator/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>

namespace rekindle::coordinator {
namespace {

constexpr int kCredentialsMax = 10'000;
// A token that ends within this is none: a submission takes its time.
constexpr Seconds kSpare{10};

auto place_of(const std::string& pool, const std::string& owner) {
  return [&pool, &owner](const v1::StoredCredential& one) {
    return one.about().pool() == pool && one.about().owner() == owner;
  };
}

std::string what_to_do(const std::string& pool) {
  return fmt::format("`rekindle credential set --pool {}`", pool);
}

}  // namespace

Result<v1::StoredCredentials> Credentials::read() const {
  v1::StoredCredentials out;
  const Result<std::string> bytes = read_file(file_);
  if (!bytes.ok() && bytes.status().code() == Code::kNotFound) return out;
  if (!bytes.ok()) return bytes.status();
  if (!out.ParseFromString(*bytes))
    return data_loss(fmt::format("{} is damaged: remove it, and store the credentials anew", file_.string()));
  return out;
}

Result<std::vector<v1::Credential>> Credentials::list() const {
  const v1::StoredCredentials all = TRY(read());
  std::vector<v1::Credential> out;
  for (const v1::StoredCredential& one : all.credentials()) out.push_back(one.about());
  std::sort(out.begin(), out.end(), [](const v1::Credential& a, const v1::Credential& b) {
    return std::tie(a.pool(), a.owner()) < std::tie(b.pool(), b.owner());
  });
  return out;
}

Result<v1::Credential> Credentials::change(
    const std::function<Result<v1::Credential>(v1::StoredCredentials& all)>& change) const {
  const fs::path lock_path = file_.string() + ".lock";
  const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX) != 0) return errno_status("locking", lock_path);
  v1::StoredCredentials all = TRY(read());
  v1::Credential changed = TRY(change(all));
  TRY_STATUS(write_file_durably(file_, all.SerializeAsString(), 0600));
  return changed;
}

Result<v1::Credential> Credentials::set(const std::string& pool, const std::string& owner,
                                        std::string_view token, Time now) const {
  const launch::slurm::Claims claims = TRY(launch::slurm::read_token(token));
  if (claims.expires_us != 0 && claims.expires_us <= to_micros(now + kSpare))
    return invalid_argument(
        fmt::format("the token expires at {}: make another, `scontrol token lifespan=SECONDS`",
                    format_time(time_from_micros(claims.expires_us))));
  return change([&](v1::StoredCredentials& all) -> Result<v1::Credential> {
    auto* list = all.mutable_credentials();
    auto found = std::find_if(list->begin(), list->end(), place_of(pool, owner));
    if (found == list->end() && list->size() >= kCredentialsMax)
      return resource_exhausted(fmt::format("{} credentials are stored: revoke some first", list->size()));
    v1::StoredCredential& one = found == list->end() ? *list->Add() : *found;
    one.set_token(launch::slurm::bare_token(token));
    one.mutable_about()->set_pool(pool);
    one.mutable_about()->set_owner(owner);
    one.mutable_about()->set_user(claims.user);
    one.mutable_about()->set_expires_us(claims.expires_us);
    one.mutable_about()->set_stored_us(to_micros(now));
    return one.about();
  });
}

Result<v1::Credential> Credentials::revoke(const std::string& pool, const std::string& owner) const {
  return change([&](v1::StoredCredentials& all) -> Result<v1::Credential> {
    auto* list = all.mutable_credentials();
    auto found = std::find_if(list->begin(), list->end(), place_of(pool, owner));
    if (found == list->end())
      return not_found(fmt::format("'{}' has no credential for pool '{}'", owner, pool));
    v1::Credential gone = found->about();
    list->erase(found);
    return gone;
  });
}

Result<launch::slurm::Identity> Credentials::identity(const std::string& pool, const std::string& owner,
                                                      Time now) const {
  const v1::StoredCredentials all = TRY(read());
  const auto found = std::find_if(all.credentials().begin(), all.credentials().end(), place_of(pool, owner));
  if (found == all.credentials().end())
    return failed_precondition(
        fmt::format("'{}' has stored no credential for pool {}: {}", owner, pool, what_to_do(pool)));
  const int64_t expires_us = found->about().expires_us();
  if (expires_us != 0 && expires_us <= to_micros(now))
    return failed_precondition(fmt::format("the credential of '{}' for pool {} expired at {}: {}", owner,
                                           pool, format_time(time_from_micros(expires_us)),
                                           what_to_do(pool)));
  return launch::slurm::identity_of(found->token());
}

}  // namespace rekindle::coordinator
