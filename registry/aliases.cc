#include "registry/aliases.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"

namespace rekindle::registry {

const v1::Version* find_version(const v1::ModelState& model, uint64_t number) {
  for (const auto& version : model.versions())
    if (version.number() == number) return &version;
  return nullptr;
}

const v1::Version* version_of_manifest(const v1::ModelState& model, std::string_view manifest) {
  for (const auto& version : model.versions())
    if (version.manifest() == manifest) return &version;
  return nullptr;
}

const v1::Version* version_of_run(const v1::ModelState& model, std::string_view run) {
  for (const auto& version : model.versions())
    if (version.run() == run) return &version;
  return nullptr;
}

uint64_t next_version(const v1::ModelState& model) {
  uint64_t newest = 0;
  for (const auto& version : model.versions()) newest = std::max(newest, version.number());
  return std::max(newest + 1, model.next_version());
}

uint64_t alias_target(const v1::ModelState& model, std::string_view alias) {
  auto found = model.aliases().find(std::string(alias));
  return found == model.aliases().end() ? 0 : found->second;
}

Result<std::optional<v1::AliasMove>> move_alias(const v1::ModelState& model, const AliasRequest& request,
                                                int64_t now_us) {
  TRY_STATUS(check_name("alias", request.alias));
  if (request.to != 0 && !find_version(model, request.to))
    return not_found(fmt::format("model '{}' has no version {}; `rekindle versions {}` lists them",
                                 model.name(), request.to, model.name()));
  uint64_t from = alias_target(model, request.alias);
  if (request.expected && *request.expected != from)
    return aborted(
        fmt::format("alias '{}' of model '{}' points at version {}, not {}: someone moved it; look again "
                    "and repeat with what you see",
                    request.alias, model.name(), from, *request.expected));
  if (from == request.to) return std::optional<v1::AliasMove>();
  v1::AliasMove move;
  move.set_model(model.name());
  move.set_alias(request.alias);
  move.set_from(from);
  move.set_to(request.to);
  move.set_time_us(now_us);
  move.set_actor(request.actor);
  move.set_reason(request.reason);
  return std::optional<v1::AliasMove>(std::move(move));
}

void apply_move(v1::ModelState& model, const v1::AliasMove& move) {
  if (move.to() == 0)
    model.mutable_aliases()->erase(move.alias());
  else
    (*model.mutable_aliases())[move.alias()] = move.to();
  *model.add_history() = move;
}

uint64_t champion_before(const v1::ModelState& model) {
  uint64_t now = champion(model);
  for (int i = model.history_size() - 1; i >= 0; --i) {
    const auto& move = model.history(i);
    if (move.alias() != kChampion || move.to() == now) continue;
    const v1::Version* version = find_version(model, move.to());
    if (version && !version->barred()) return move.to();
  }
  return 0;
}

}  // namespace rekindle::registry
