#include "launch/attempt_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "base/files/passing_files.h"
#include "base/files/plain_file.h"

namespace rekindle::launch {
namespace {

template <typename Record>
Result<std::optional<Record>> read_record(const fs::path& path) {
  Result<std::string> bytes = read_plain_file(path);
  if (!bytes.ok()) {
    if (bytes.status().code() == Code::kNotFound) return std::optional<Record>();
    return bytes.status();
  }
  Record record;
  if (!record.ParseFromString(*bytes))
    return data_loss(fmt::format("{} is damaged: it cannot be read as {}", path.string(),
                                 record.GetDescriptor()->full_name()));
  return std::optional<Record>(std::move(record));
}

Status write_bytes(const fs::path& path, const std::string& bytes, Sync sync) {
  return sync == Sync::kYes ? write_file_durably(path, bytes, 0640)
                            : write_file_atomically(path, bytes, 0640);
}

Status write_record(const fs::path& path, const google::protobuf::Message& record, Sync sync = Sync::kYes) {
  return write_bytes(path, record.SerializeAsString(), sync);
}

// Of the same attempt, whatever else it says: what pools.yaml says may have changed since, or not be
// readable.
bool same_attempt(const std::string& bytes, const v1::Plan& plan) {
  v1::Plan present;
  return !plan.start_nonce().empty() && present.ParseFromString(bytes) && present.run() == plan.run() &&
         present.attempt() == plan.attempt() && present.start_nonce() == plan.start_nonce();
}

// A power failure may leave an empty file or zeros where nothing was synced.
bool torn(const std::string& bytes) {
  v1::Plan plan;
  return !plan.ParseFromString(bytes) || plan.run().empty();
}

}  // namespace

Status AttemptFolder::create(const v1::Plan& plan, Sync sync) const {
  TRY_STATUS(sync == Sync::kYes ? make_folders_durably(root_, 0750) : make_folders(root_, 0750));
  const std::string bytes = plan.SerializeAsString();
  Result<std::string> present = read_plain_file(this->plan());
  if (present.ok()) {
    if (*present == bytes || same_attempt(*present, plan)) return ok_status();
    if (!torn(*present))
      return already_exists(
          fmt::format("{} already holds another plan; an attempt's folder is used once", root_.string()));
  } else if (present.status().code() != Code::kNotFound) {
    return present.status();
  }
  return write_bytes(this->plan(), bytes, sync);
}

Result<v1::Plan> AttemptFolder::read_plan() const {
  std::optional<v1::Plan> plan = TRY(read_record<v1::Plan>(this->plan()));
  if (!plan.has_value())
    return not_found(fmt::format("{} has no plan.pb: it is not an attempt's folder", root_.string()));
  return std::move(*plan);
}

Result<std::optional<v1::GangRecord>> AttemptFolder::read_gang() const {
  return read_record<v1::GangRecord>(gang());
}
Result<std::optional<v1::LaunchRecord>> AttemptFolder::read_launch() const {
  return read_record<v1::LaunchRecord>(launch());
}
Result<std::optional<v1::HostsLaunch>> AttemptFolder::read_hosts() const {
  return read_record<v1::HostsLaunch>(hosts());
}
Result<std::optional<v1::ExitRecord>> AttemptFolder::read_exit() const {
  return read_record<v1::ExitRecord>(exit());
}
Result<std::optional<v1::Outcome>> AttemptFolder::read_outcome() const {
  return read_record<v1::Outcome>(outcome());
}

Status AttemptFolder::write_launch(const v1::LaunchRecord& record) const {
  return write_record(launch(), record);
}
Status AttemptFolder::write_hosts(const v1::HostsLaunch& record) const {
  return write_record(hosts(), record);
}
Status AttemptFolder::write_gang(const v1::GangRecord& record, Sync sync) const {
  return write_record(gang(), record, sync);
}
Status AttemptFolder::write_exit(const v1::ExitRecord& record, Sync sync) const {
  return write_record(exit(), record, sync);
}
Status AttemptFolder::write_outcome(const v1::Outcome& outcome) const {
  return write_record(this->outcome(), outcome);
}

}  // namespace rekindle::launch
