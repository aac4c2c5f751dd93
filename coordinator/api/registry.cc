// RegistryService: versions, aliases, rollback, freeze, why.
#include <fmt/format.h>

#include "coordinator/api/api.h"
#include "core/why.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr size_t kReasonBytesMax = 2'000;
constexpr size_t kAliasBytesMax = 63;

Result<v1::ModelState> model_of(Context& c, const std::string& name) {
  const v1::ModelState* model = core::find_model(c.core.state(), name);
  if (model == nullptr)
    return not_found(fmt::format("no model '{}': `rekindle apply` a job of that name first", name));
  return *model;
}

awaitable<Result<v1::ModelState>> list_versions(Context& c, v1::ListVersionsRequest request, Caller) {
  co_await c.core.durable();
  co_return model_of(c, request.model());
}

awaitable<Result<v1::ModelState>> change(Context& c, core::Command command, std::string model,
                                         std::string reason, Caller caller) {
  Status checked = check_length("reason", reason, kReasonBytesMax);
  if (!checked.ok()) co_return checked;
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return model_of(c, model);
}

awaitable<Result<v1::ModelState>> set_alias(Context& c, v1::SetAliasRequest request, Caller caller) {
  Status checked = check_length("alias", request.alias(), kAliasBytesMax);
  if (!checked.ok()) co_return checked;
  std::string model = request.model(), reason = request.reason();
  core::Command command = core::SetAlias{std::move(request)};
  co_return co_await change(c, std::move(command), std::move(model), std::move(reason), std::move(caller));
}

awaitable<Result<v1::ModelState>> roll_back(Context& c, v1::RollbackRequest request, Caller caller) {
  std::string model = request.model(), reason = request.reason();
  core::Command command = core::RollBack{std::move(request)};
  co_return co_await change(c, std::move(command), std::move(model), std::move(reason), std::move(caller));
}

awaitable<Result<v1::ModelState>> freeze(Context& c, v1::FreezeRequest request, Caller caller) {
  std::string model = request.model(), reason = request.reason();
  core::Command command = core::Freeze{std::move(request)};
  co_return co_await change(c, std::move(command), std::move(model), std::move(reason), std::move(caller));
}

awaitable<Result<v1::WhyResponse>> why(Context& c, v1::WhyRequest request, Caller) {
  co_await c.core.durable();
  if (core::find_model(c.core.state(), request.model()) == nullptr)
    co_return model_of(c, request.model()).status();
  auto events = co_await c.core.events_about(request.model());
  if (!events.ok()) co_return events.status();
  co_return core::why(c.core.state(), request.model(), request.version(), *events);
}

}  // namespace

void add_registry_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "RegistryService/ListVersions", Access::kViewer, &list_versions);
  add_method(server, context, "RegistryService/SetAlias", Access::kOperator, &set_alias);
  add_method(server, context, "RegistryService/Rollback", Access::kOperator, &roll_back);
  add_method(server, context, "RegistryService/Freeze", Access::kOperator, &freeze);
  add_method(server, context, "RegistryService/Why", Access::kViewer, &why);
}

}  // namespace rekindle::coordinator
