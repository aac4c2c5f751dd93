#include "net/tls/authority.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>

#include "base/files.h"
#include "base/ids.h"

namespace rekindle::net {
namespace {

namespace fs = std::filesystem;

constexpr long kDay = 24 * 3600;
constexpr long kAuthorityDays = 3650, kServerDays = 397, kRenewDays = 30;
constexpr size_t kPemBytesMax = 64 * 1024;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* of) const {
    Free(of);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

struct Pair {
  Certificate certificate;
  Key key;
};

Bio bio_over(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string pem_of(X509* certificate) {
  Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1, "a certificate has a text");
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "a key has a text");
  return text_of(bio.get());
}

bool is_address(const std::string& name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 || inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
        "an extension of ours is well-formed");
}

// What both kinds of certificate have; the caller extends and signs it.
Pair begin(const std::string& common_name, long days) {
  Pair out{Certificate(X509_new()), Key(EVP_EC_gen("P-256"))};
  CHECK(out.certificate != nullptr && out.key != nullptr, "OpenSSL makes P-256 keys");
  X509* certificate = out.certificate.get();
  X509_set_version(certificate, 2);  // v3
  unsigned char serial[16];
  CHECK(RAND_bytes(serial, sizeof serial) == 1, "OpenSSL has random numbers");
  serial[0] = static_cast<unsigned char>(0x40 | (serial[0] & 0x3f));  // above 0, without a needless leading 0
  ASN1_STRING_set(X509_get_serialNumber(certificate), serial, sizeof serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);  // clocks differ
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate, out.key.get());
  return out;
}

Pair make_authority() {
  Pair out = begin("rekindle authority " + random_hex(4), kAuthorityDays);
  X509* certificate = out.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  extend(certificate, certificate, NID_subject_key_identifier, "hash");
  CHECK(X509_sign(certificate, out.key.get(), EVP_sha256()) > 0, "a key of ours signs");
  return out;
}

Pair issue(const Pair& authority, const std::vector<std::string>& names) {
  Pair out = begin(names.front(), kServerDays);
  X509* certificate = out.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(authority.certificate.get()));
  std::string alternatives;
  for (const auto& name : names)
    alternatives += (alternatives.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
  X509* issuer = authority.certificate.get();
  extend(certificate, issuer, NID_subject_alt_name, alternatives);
  extend(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
  extend(certificate, issuer, NID_key_usage, "critical,digitalSignature");
  extend(certificate, issuer, NID_ext_key_usage, "serverAuth");
  extend(certificate, issuer, NID_authority_key_identifier, "keyid");
  CHECK(X509_sign(certificate, authority.key.get(), EVP_sha256()) > 0, "a key of ours signs");
  return out;
}

bool covers(X509* certificate, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    const int found = is_address(name) ? X509_check_ip_asc(certificate, name.c_str(), 0)
                                       : X509_check_host(certificate, name.c_str(), 0, 0, nullptr);
    if (found != 1) return false;
  }
  return true;
}

bool lasts(X509* certificate, long days) {
  int left_days = 0, left_seconds = 0;
  return ASN1_TIME_diff(&left_days, &left_seconds, nullptr, X509_get0_notAfter(certificate)) == 1 &&
         left_days >= days;
}

struct Paths {
  fs::path certificate, key;
};

// Nothing when neither file is there.
Result<std::optional<Pair>> load(const Paths& paths) {
  const auto certificate = read_file(paths.certificate, kPemBytesMax),
             key = read_file(paths.key, kPemBytesMax);
  const auto absent = [](const Result<std::string>& file) {
    return !file.ok() && file.status().code() == Code::kNotFound;
  };
  // The certificate is written last: a key alone is a start that was cut short.
  if (absent(certificate)) return std::optional<Pair>();
  Pair out;
  if (certificate.ok())
    out.certificate.reset(PEM_read_bio_X509(bio_over(*certificate).get(), nullptr, nullptr, nullptr));
  if (key.ok()) out.key.reset(PEM_read_bio_PrivateKey(bio_over(*key).get(), nullptr, nullptr, nullptr));
  if (out.certificate == nullptr || out.key == nullptr ||
      X509_check_private_key(out.certificate.get(), out.key.get()) != 1)
    return data_loss(
        fmt::format("{} and {} are damaged or do not belong together: put them back, or remove both "
                    "and give clients the new ca.pem",
                    paths.certificate.string(), paths.key.string()));
  return std::optional<Pair>(std::move(out));
}

Status store(const Paths& paths, const Pair& pair) {
  TRY_STATUS(write_file_durably(paths.key, pem_of(pair.key.get()), 0600));
  return write_file_durably(paths.certificate, pem_of(pair.certificate.get()), 0644);
}

}  // namespace

Result<Authority> open_authority(const fs::path& folder, const std::vector<std::string>& names) {
  CHECK(!names.empty(), "a certificate is somebody's");
  TRY_STATUS(make_folders_durably(folder, 0700));
  const Paths ca{folder / "ca.pem", folder / "ca-key.pem"},
      own{folder / "server.pem", folder / "server-key.pem"};
  std::optional<Pair> authority = TRY(load(ca));
  if (!authority) {
    authority = make_authority();
    TRY_STATUS(store(ca, *authority));
  }
  // Nobody has pinned this one: damaged, it is made anew.
  const auto server = load(own);
  X509* issuer = authority->certificate.get();
  const auto fits = [&](X509* certificate) {
    return covers(certificate, names) && lasts(certificate, kRenewDays) &&
           X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
  };
  if (!server.ok() || !*server || !fits((*server)->certificate.get()))
    TRY_STATUS(store(own, issue(*authority, names)));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  X509_digest(issuer, EVP_sha256(), digest, &size);
  std::string fingerprint;
  for (unsigned int i = 0; i < size; ++i) fingerprint += fmt::format("{:02x}", digest[i]);
  return Authority{{own.certificate.string(), own.key.string()}, ca.certificate.string(), fingerprint};
}

}  // namespace rekindle::net
