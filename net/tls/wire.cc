#include "net/tls/wire.h"

#include <fmt/format.h>

#include "base/files.h"

namespace rekindle::net {
namespace {

namespace ssl = boost::asio::ssl;

std::unique_ptr<ssl::context> modern() {
  auto out = std::make_unique<ssl::context>(ssl::context::tls);
  out->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                   ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  return out;
}

Status refused(std::string_view what, const std::string& file, const boost::system::error_code& error) {
  return invalid_argument(fmt::format("{} {} cannot be used: {}", what, file, error.message()));
}

}  // namespace

Result<std::unique_ptr<ssl::context>> server_tls(const TlsFiles& files) {
  auto out = modern();
  // No session tickets: to a client that looks at an idle connection they would seem an answer.
  SSL_CTX_set_num_tickets(out->native_handle(), 0);
  boost::system::error_code error;
  out->use_certificate_chain_file(files.certificate, error);
  if (error) return refused("the certificate", files.certificate, error);
  out->use_private_key_file(files.key, ssl::context::pem, error);
  if (error) return refused("the key", files.key, error);
  if (SSL_CTX_check_private_key(out->native_handle()) != 1)
    return invalid_argument(
        fmt::format("the key {} is not the certificate's, {}", files.key, files.certificate));
  return out;
}

Result<std::unique_ptr<ssl::context>> client_tls(const std::string& authority) {
  auto out = modern();
  boost::system::error_code error;
  if (authority.empty()) {
    // Not all default paths at once: OpenSSL 3.0 crashes in its store of URIs when two threads do that.
    SSL_CTX_set_default_verify_file(out->native_handle());
    SSL_CTX_set_default_verify_dir(out->native_handle());
  } else {
    out->load_verify_file(authority, error);
    if (error) return refused("the authority", authority, error);
  }
  out->set_verify_mode(ssl::verify_peer);
  return out;
}

}  // namespace rekindle::net
