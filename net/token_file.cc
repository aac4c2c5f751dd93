#include "net/token_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/files.h"
#include "base/ids.h"

namespace rekindle::net {
namespace {

namespace json = boost::json;

constexpr size_t kTokensMax = 1000;
constexpr size_t kSha256Digits = 64;

// "operator" and "serving" are those of the files STATE/token and STATE/serving-token.
bool reserved(const std::string& name) {
  return name == "operator" || name == "serving";
}

std::optional<NamedToken> token_from(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto text = [object](std::string_view key) {
    const auto* found = object->if_contains(key);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
  };
  NamedToken out;
  const auto role = role_of_word(text("role"));
  const auto* made = object->if_contains("made_us");
  const auto* expires = object->if_contains("expires_us");
  out.token.name = text("name");
  out.token.sha256 = text("sha256");
  if (!role || !valid_name(out.token.name) || out.token.sha256.size() != kSha256Digits || made == nullptr ||
      !made->is_int64() || (expires != nullptr && (!expires->is_int64() || expires->get_int64() <= 0)))
    return std::nullopt;
  if (expires != nullptr) out.expires_us = expires->get_int64();
  out.token.role = *role;
  out.made_us = made->get_int64();
  return out;
}

std::string text_of(const std::vector<NamedToken>& tokens) {
  json::array list;
  for (const auto& t : tokens) {
    json::object entry{{"name", t.token.name},
                       {"role", role_word(t.token.role)},
                       {"sha256", t.token.sha256},
                       {"made_us", t.made_us}};
    if (t.expires_us != 0) entry["expires_us"] = t.expires_us;
    list.push_back(std::move(entry));
  }
  return json::serialize(json::object{{"tokens", std::move(list)}}) + "\n";
}

}  // namespace

Result<std::vector<NamedToken>> TokenFile::read() const {
  const auto text = read_file(path_, 1u << 20);
  if (!text.ok() && text.status().code() == Code::kNotFound) return std::vector<NamedToken>();
  if (!text.ok()) return text.status();
  boost::system::error_code error;
  const json::value value = json::parse(*text, error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains("tokens");
  if (list == nullptr || !list->is_array())
    return data_loss(path_.string() + " is damaged: put a copy back, or remove it and give new tokens");
  std::vector<NamedToken> out;
  for (const auto& entry : list->get_array()) {
    auto token = token_from(entry);
    if (!token)
      return data_loss(fmt::format("{}: entry {} is no token: put a copy back, or remove that entry",
                                   path_.string(), out.size() + 1));
    out.push_back(std::move(*token));
  }
  return out;
}

template <typename Change>
Status TokenFile::change(Change change) const {
  const std::filesystem::path lock_path = path_.string() + ".lock";
  const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX) != 0) return errno_status("locking", lock_path);
  auto tokens = TRY(read());
  TRY_STATUS(change(tokens));
  std::sort(tokens.begin(), tokens.end(),
            [](const NamedToken& a, const NamedToken& b) { return a.token.name < b.token.name; });
  return write_file_durably(path_, text_of(tokens), 0600);
}

Result<std::string> TokenFile::add(const std::string& name, Role role, int64_t now_us,
                                   int64_t expires_us) const {
  TRY_STATUS(check_name("token", name));
  if (reserved(name))
    return invalid_argument(fmt::format("'{}' is the name of a token that every state folder has", name));
  std::string secret = "rekindle_" + random_hex(32);
  TRY_STATUS(change([&](std::vector<NamedToken>& tokens) -> Status {
    if (tokens.size() >= kTokensMax)
      return resource_exhausted(fmt::format("there are {} tokens: revoke some first", tokens.size()));
    for (const auto& t : tokens)
      if (t.token.name == name)
        return already_exists(
            fmt::format("there is a token '{}' already: revoke it first, or take another name", name));
    tokens.push_back({token_of(secret, role, name), now_us, expires_us});
    return ok_status();
  }));
  return secret;
}

Status TokenFile::revoke(const std::string& name) const {
  return change([&](std::vector<NamedToken>& tokens) -> Status {
    const auto gone = std::remove_if(tokens.begin(), tokens.end(),
                                     [&](const NamedToken& t) { return t.token.name == name; });
    if (gone == tokens.end()) {
      std::string known;
      for (const auto& t : tokens) known += (known.empty() ? "" : ", ") + t.token.name;
      return not_found(
          fmt::format("there is no token '{}'; there are: {}", name, known.empty() ? "none" : known));
    }
    tokens.erase(gone, tokens.end());
    return ok_status();
  });
}

}  // namespace rekindle::net
