// InventoryService: the nodes of pools, as operators see and change them.
#include <fmt/format.h>

#include "coordinator/api/api.h"
#include "core/nodes.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr size_t kNameBytesMax = 256;
constexpr size_t kReasonBytesMax = 2'000;

// When it last answered is the launcher's to say.
void add_answers(const Context& c, std::vector<v1::NodeView>& views) {
  for (const v1::Pool& pool : c.pools.now().pools())
    for (const launch::NodeSight& sight : c.launcher.nodes(pool.name()))
      for (v1::NodeView& view : views)
        if (view.pool() == pool.name() && view.node() == sight.node) view.set_answered_us(sight.answered_us);
}

std::vector<v1::NodeView> views_of(const Context& c) {
  std::vector<v1::NodeView> out = core::node_views(c.core.state(), c.core.cluster());
  add_answers(c, out);
  return out;
}

awaitable<Result<v1::ListNodesResponse>> list_nodes(Context& c, v1::ListNodesRequest, Caller) {
  co_await c.core.durable();
  v1::ListNodesResponse out;
  for (v1::NodeView& view : views_of(c)) *out.add_nodes() = std::move(view);
  co_return out;
}

awaitable<Result<v1::NodeView>> change_node(Context& c, v1::ChangeNodeRequest request, Caller caller) {
  for (const auto& [what, text, most] : {std::tuple("node", &request.node(), kNameBytesMax),
                                         {"pool", &request.pool(), kNameBytesMax},
                                         {"reason", &request.reason(), kReasonBytesMax}})
    if (Status checked = check_length(what, *text, most); !checked.ok()) co_return checked;
  const std::string node = request.node(), pool = request.pool();
  core::ChangeNode command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  for (v1::NodeView& view : views_of(c))
    if (view.node() == node && (pool.empty() || view.pool() == pool)) co_return std::move(view);
  v1::NodeView gone;  // it was on record alone
  gone.set_node(node);
  gone.set_state(v1::NodeView::REMOVED);
  co_return gone;
}

}  // namespace

void add_inventory_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "InventoryService/ListNodes", Access::kViewer, &list_nodes);
  add_method(server, context, "InventoryService/ChangeNode", Access::kOperator, &change_node);
}

}  // namespace rekindle::coordinator
