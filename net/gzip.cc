#include "net/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

namespace rekindle::net {

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, uint64_t limit_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) return resource_exhausted("no memory to decompress a body");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  char buffer[1 << 16];
  Status failure;
  for (int code = Z_OK; code != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof buffer;
    code = inflate(&stream, Z_NO_FLUSH);
    const size_t made = sizeof buffer - stream.avail_out;
    if ((code != Z_OK && code != Z_STREAM_END) || (code == Z_OK && made == 0)) {
      failure = invalid_argument("the body says it is gzip but cannot be decompressed: damaged or cut");
      break;
    }
    if (out.size() + made > limit_bytes) {
      failure =
          resource_exhausted(fmt::format("the body is larger than {} bytes when decompressed", limit_bytes));
      break;
    }
    out.append(buffer, made);
  }
  inflateEnd(&stream);
  if (!failure.ok()) return failure;
  return out;
}

}  // namespace rekindle::net
