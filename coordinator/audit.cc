#include "coordinator/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/faults/crash_point.h"
#include "base/faults/fail_stop.h"
#include "base/text/printable.h"

namespace rekindle::coordinator {
namespace {

namespace json = boost::json;

constexpr std::string_view kNaming[] = {"model", "job", "run", "name", "id", "dataset", "alias", "folder"};
constexpr size_t kNameBytesMax = 128, kMessageBytesMax = 500;

}  // namespace

std::string subject_of(const google::protobuf::Message& request) {
  std::string out;
  const auto* descriptor = request.GetDescriptor();
  for (const std::string_view name : kNaming) {
    const auto* field = descriptor->FindFieldByName(std::string(name));
    // A request that holds another is about what that one is.
    if (field != nullptr && !field->is_repeated() && field->message_type() != nullptr &&
        field->message_type()->name().ends_with("Request"))
      return subject_of(request.GetReflection()->GetMessage(request, field));
    if (field == nullptr || field->is_repeated() ||
        field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING)
      continue;
    const std::string value = request.GetReflection()->GetString(request, field);
    if (value.empty()) continue;
    out += fmt::format("{}{}={}", out.empty() ? "" : " ", name, printable(value.substr(0, kNameBytesMax)));
  }
  return out;
}

Result<Audit> Audit::open(const std::filesystem::path& path, const Clock& clock) {
  return Audit(TRY(ChainedLog::open(path)), clock);
}

Result<uint64_t> Audit::asked(const std::string& method, const google::protobuf::Message& request,
                              const net::Caller& caller) {
  const uint64_t number = ++asked_;
  const json::object line{{"time", format_time(clock_->wall())},
                          {"call", number},
                          {"who", caller.who.name},
                          {"role", net::role_word(caller.who.role)},
                          {"peer", caller.peer},
                          {"method", method},
                          {"about", subject_of(request)}};
  TRY_STATUS(log_.append(json::serialize(line)).within("the audit log"));
  crash_point("audit-asked");
  return number;
}

boost::asio::awaitable<Status> Audit::answered(uint64_t number, Status how, TaskThreads& pool) {
  json::object line{
      {"time", format_time(clock_->wall())}, {"call", number}, {"ended", code_name(how.code())}};
  if (!how.ok()) line["why"] = printable(how.message().substr(0, kMessageBytesMax));
  Status written = log_.append(json::serialize(line));
  if (!written.ok()) co_return written.within("the audit log");
  crash_point("audit-answered");
  ChainedLog* log = &log_;
  std::function<Status()> sync = [log] { return log->sync(); };
  Status synced = co_await done_on(pool, std::move(sync));
  if (!synced.ok()) end_unsynced("the audit log", synced.message());
  co_return ok_status();
}

}  // namespace rekindle::coordinator
