// BackupService: for admins, since a backup holds their token.
#include "coordinator/api/api.h"
#include "coordinator/backup/backup.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;

// While one is under way.
class Turn {
 public:
  explicit Turn(bool& taken) : taken_(taken) { taken_ = true; }
  ~Turn() { taken_ = false; }
  Turn(const Turn&) = delete;

 private:
  bool& taken_;
};

awaitable<Status> one_at_a_time(Context& c, v1::BackupRequest request,
                                net::Writer<v1::BackupUpdate>& writer) {
  if (c.backing_up) co_return failed_precondition("a backup is under way: wait until it is done");
  const Turn turn(c.backing_up);
  co_return co_await back_up(c, std::move(request), writer);
}

awaitable<Status> backup(Context& c, v1::BackupRequest request, net::Caller caller,
                         net::Writer<v1::BackupUpdate>& writer) {
  const Result<uint64_t> number = c.audit.asked("BackupService/Backup", request, caller);
  if (!number.ok()) co_return number.status();
  Status how = co_await one_at_a_time(c, std::move(request), writer);
  Status kept = co_await c.audit.answered(*number, how, c.pool);
  co_return how.ok() ? kept : how;
}

}  // namespace

void add_backup_service(net::HttpServer& server, Context& context) {
  add_stream(server, context, "BackupService/Backup", net::Access::kAdmin, &backup);
}

}  // namespace rekindle::coordinator
