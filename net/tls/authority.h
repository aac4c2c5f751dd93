// The private authority of one coordinator, and the certificate that it shows: made at first start, so that
// TLS needs nobody else. Clients pin the authority's certificate.
//
//   ca.pem       the authority, for clients to copy     ca-key.pem      its key, 0600: whoever has it can
//   server.pem   the server's certificate               server-key.pem  impersonate the server
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

struct Authority {
  TlsFiles server;
  std::string certificate;  // ca.pem
  std::string fingerprint;  // SHA-256 of it, in hex
};

// Makes in `folder` (0700) what is not there: the authority for ten years, the server's certificate for a
// year. That is made anew when it runs out within a month or does not cover `names` (DNS names and IP
// addresses). data_loss names a file that is there and cannot be read: nothing is replaced that clients may
// have pinned.
Result<Authority> open_authority(const std::filesystem::path& folder, const std::vector<std::string>& names);

}  // namespace rekindle::net
