#include "serving/spool/spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"

namespace rekindle::serving {
namespace {

constexpr uint32_t kMagic = 0x4c505352;  // "RSPL"
constexpr uint32_t kPayloadBytesMax = 256u << 20;

// Little-endian on disk, as every machine that this runs on.
struct Header {
  uint32_t magic = kMagic;
  uint32_t size = 0;
  uint32_t records = 0;
  uint32_t kind = 0;
  uint64_t hash = 0;  // of the payload, seeded with the fields above
};
static_assert(sizeof(Header) == 24);

uint64_t frame_hash(const Header& header, std::string_view payload) {
  const uint64_t seed = (uint64_t{header.size} << 32) ^ (uint64_t{header.records} << 2) ^ header.kind;
  return stable_hash(payload, seed);
}

std::string encode(FrameKind kind, uint32_t records, std::string_view payload) {
  Header header;
  header.size = static_cast<uint32_t>(payload.size());
  header.records = records;
  header.kind = static_cast<uint32_t>(kind);
  header.hash = frame_hash(header, payload);
  std::string out(sizeof header, '\0');
  std::memcpy(out.data(), &header, sizeof header);
  return out.append(payload);
}

// The frame that starts at `bytes`, or nothing when it is torn or damaged.
std::optional<Header> decode(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || header.size > kPayloadBytesMax) return std::nullopt;
  if (header.kind != 1 && header.kind != 2) return std::nullopt;
  if (bytes.size() - sizeof header < header.size) return std::nullopt;
  if (frame_hash(header, bytes.substr(sizeof header, header.size)) != header.hash) return std::nullopt;
  return header;
}

fs::path segment_path(const fs::path& folder, uint64_t number) {
  return folder / fmt::format("{:020}.seg", number);
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options) {
  TRY_STATUS(make_folders_durably(options.folder));
  std::unique_ptr<Spool> spool(new Spool(std::move(options)));
  TRY_STATUS(spool->recover());
  return spool;
}

Status Spool::recover() {
  std::vector<uint64_t> numbers;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(options_.folder, error)) {
    if (file.path().extension() != ".seg") continue;
    numbers.push_back(std::strtoull(file.path().stem().c_str(), nullptr, 10));
  }
  if (error)
    return internal_error(fmt::format("reading folder {}: {}", options_.folder.string(), error.message()));
  std::sort(numbers.begin(), numbers.end());
  for (const uint64_t number : numbers) {
    const fs::path path = segment_path(options_.folder, number);
    const std::string bytes = TRY(read_file(path, 4ull << 30));
    segments_[number] = Segment{path, bytes.size()};
    bytes_ += bytes.size();
    active_number_ = number;
    recover_segment(number, bytes);
    remove_if_spent(number);
  }
  return ok_status();
}

void Spool::recover_segment(uint64_t number, const std::string& bytes) {
  Segment& segment = segments_[number];
  std::string_view magic(reinterpret_cast<const char*>(&kMagic), sizeof kMagic);
  uint64_t at = 0;
  bool damaged = false;
  while (at < bytes.size()) {
    const auto header = decode(std::string_view(bytes).substr(at));
    if (!header) {
      // What follows may be whole: go on at the next place that looks like a frame.
      damaged = true;
      const size_t next = bytes.find(magic, at + 1);
      at = next == std::string::npos ? bytes.size() : next;
      continue;
    }
    waiting_.push_back(
        {++last_id_, number, at, header->size, header->records, static_cast<FrameKind>(header->kind)});
    records_ += header->records;
    ++segment.frames;
    if (waiting_.back().kind == FrameKind::kRequests) ++segment.requests;
    at += sizeof(Header) + header->size;
  }
  if (!damaged) return;
  ++damaged_frames_;
  log_warning("spool segment has a torn or damaged frame, which is skipped",
              {{"segment", segment.path.string()}});
}

Status Spool::open_segment() {
  const uint64_t number = active_number_ + 1;
  const fs::path path = segment_path(options_.folder, number);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno_status("creating spool segment", path);
  TRY_STATUS(fsync_path(options_.folder));
  active_ = std::move(fd);
  active_number_ = number;
  segments_[number] = Segment{path};
  return ok_status();
}

void Spool::close_segment() {
  if (!active_.valid()) return;
  // sync() sees only the newest segment: what is closed is synced here.
  if (::fdatasync(active_.get()) != 0)
    close_failure_ = errno_status("syncing", segments_[active_number_].path);
  active_.reset();
  remove_if_spent(active_number_);
}

Result<uint64_t> Spool::append(FrameKind kind, uint32_t records, const std::string& payload) {
  const std::string bytes = encode(kind, records, payload);
  std::lock_guard lock(mutex_);
  Status status;
  if (payload.size() > kPayloadBytesMax)
    status = resource_exhausted("a batch is larger than a spool frame may be");
  if (status.ok() && !make_room(bytes.size()))
    status = resource_exhausted(
        fmt::format("the spool is full ({} of {} bytes) of records that may not be dropped: "
                    "the coordinator must be reachable again before more are taken",
                    bytes_, options_.bytes_max));
  if (status.ok() && active_.valid() && segments_[active_number_].bytes >= options_.segment_bytes)
    close_segment();
  if (status.ok() && !active_.valid()) status = open_segment();
  if (status.ok()) {
    Segment& segment = segments_[active_number_];
    status = write_all(active_.get(), bytes, segment.path);
    // A frame cut short must not stand before later ones: readers could skip it, a fresh segment is surer.
    if (!status.ok() && ::ftruncate(active_.get(), static_cast<off_t>(segment.bytes)) != 0)
      segment.bytes += bytes.size();
    if (!status.ok()) close_segment();
  }
  if (!status.ok()) {
    if (kind == FrameKind::kLabels) return status;
    dropped_requests_ += records;
    log_warning("request records dropped", {{"requests", records}, {"why", status.message()}});
    return uint64_t{0};
  }
  Segment& segment = segments_[active_number_];
  waiting_.push_back(
      {++last_id_, active_number_, segment.bytes, static_cast<uint32_t>(payload.size()), records, kind});
  segment.bytes += bytes.size();
  ++segment.frames;
  if (kind == FrameKind::kRequests) ++segment.requests;
  bytes_ += bytes.size();
  records_ += records;
  return last_id_;
}

Status Spool::sync() {
  // The descriptor is duplicated so that appends need not wait for the disk.
  int copy = -1;
  {
    std::lock_guard lock(mutex_);
    const Status failed = std::exchange(close_failure_, ok_status());
    if (!failed.ok() || !active_.valid()) return failed;
    copy = ::fcntl(active_.get(), F_DUPFD_CLOEXEC, 3);
  }
  Fd fd(copy);
  if (!fd.valid() || ::fdatasync(fd.get()) != 0) return errno_status("syncing the spool in", options_.folder);
  return ok_status();
}

// Drops request frames, oldest segment first, until `bytes` more fit.
bool Spool::make_room(uint64_t bytes) {
  while (bytes_ + bytes > options_.bytes_max) {
    auto oldest = std::find_if(segments_.begin(), segments_.end(), [&](const auto& item) {
      const bool only_in_flight =
          item.second.requests == 1 && !waiting_.empty() && waiting_.front().id == in_flight_ &&
          waiting_.front().segment == item.first && waiting_.front().kind == FrameKind::kRequests;
      return item.second.requests > 0 && !only_in_flight;
    });
    if (oldest == segments_.end()) return false;
    const uint64_t number = oldest->first;
    if (number == active_number_) close_segment();
    const Status dropped = drop_requests_of(number);
    if (!dropped.ok()) {
      log_error("spool segment could not be cut", {{"segment", number}, {"why", dropped.message()}});
      return false;
    }
  }
  return true;
}

// Writes the segment anew with its label frames alone.
Status Spool::drop_requests_of(uint64_t number) {
  Segment& segment = segments_[number];
  const std::string old = TRY(read_file(segment.path, 4ull << 30));
  std::string kept;
  std::map<uint64_t, uint64_t> moved;  // frame id -> new offset
  for (const Entry& entry : waiting_) {
    if (entry.segment != number) continue;
    if (entry.kind == FrameKind::kRequests && entry.id != in_flight_) continue;
    moved[entry.id] = kept.size();
    kept.append(old, entry.offset, sizeof(Header) + entry.size);
  }
  TRY_STATUS(write_file_durably(segment.path, kept));
  bytes_ -= segment.bytes - kept.size();
  segment.bytes = kept.size();
  uint64_t lost = 0;
  std::deque<Entry> left;
  for (Entry& entry : waiting_) {
    if (entry.segment == number && !moved.contains(entry.id)) {
      lost += entry.records;
      forget(entry);
      continue;
    }
    if (entry.segment == number) entry.offset = moved[entry.id];
    left.push_back(entry);
  }
  waiting_.swap(left);
  dropped_requests_ += lost;
  log_warning("spool is full: its oldest request records are dropped",
              {{"segment", number}, {"requests", lost}});
  remove_if_spent(number);
  return ok_status();
}

Result<std::optional<Frame>> Spool::front() {
  std::lock_guard lock(mutex_);
  while (!waiting_.empty()) {
    const Entry entry = waiting_.front();
    const fs::path path = segments_[entry.segment].path;
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return errno_status("opening spool segment", path);
    std::string bytes(sizeof(Header) + entry.size, '\0');
    const ssize_t n = ::pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(entry.offset));
    if (n < 0) return errno_status("reading spool segment", path);
    bytes.resize(static_cast<size_t>(n));
    if (decode(bytes)) {
      in_flight_ = entry.id;
      return std::optional<Frame>(Frame{entry.id, entry.kind, entry.records, bytes.substr(sizeof(Header))});
    }
    log_error("spool frame was damaged on disk and is lost",
              {{"segment", path.string()}, {"records", entry.records}});
    ++damaged_frames_;
    waiting_.pop_front();
    forget(entry);
    remove_if_spent(entry.segment);
  }
  return std::optional<Frame>();
}

void Spool::acknowledge(uint64_t id) {
  std::lock_guard lock(mutex_);
  if (waiting_.empty() || waiting_.front().id != id) return;
  const Entry entry = waiting_.front();
  waiting_.pop_front();
  in_flight_ = 0;
  forget(entry);
  // A drained log shrinks: what stays on disk is what a restart would send again.
  if (entry.segment == active_number_ && active_.valid() && segments_[active_number_].frames == 0 &&
      segments_[active_number_].bytes >= options_.segment_bytes / 4)
    close_segment();
  else
    remove_if_spent(entry.segment);
}

Status Spool::set_aside(const Frame& frame) {
  const fs::path folder = options_.folder / "refused";
  TRY_STATUS(make_folders_durably(folder));
  TRY_STATUS(write_file_durably(folder / (new_uuid() + ".pb"), frame.payload));
  acknowledge(frame.id);
  return ok_status();
}

void Spool::count_dropped(uint64_t requests) {
  std::lock_guard lock(mutex_);
  dropped_requests_ += requests;
}

void Spool::forget(const Entry& entry) {
  Segment& segment = segments_[entry.segment];
  --segment.frames;
  if (entry.kind == FrameKind::kRequests) --segment.requests;
  records_ -= entry.records;
}

void Spool::remove_if_spent(uint64_t number) {
  if (number == active_number_ && active_.valid()) return;
  const auto found = segments_.find(number);
  if (found == segments_.end() || found->second.frames > 0) return;
  bytes_ -= found->second.bytes;
  std::error_code error;
  fs::remove(found->second.path, error);
  if (error)
    log_warning("spool segment could not be removed", {{"segment", number}, {"why", error.message()}});
  segments_.erase(found);
}

uint64_t Spool::last_id() const {
  std::lock_guard lock(mutex_);
  return last_id_;
}

uint64_t Spool::oldest_id() const {
  std::lock_guard lock(mutex_);
  return waiting_.empty() ? last_id_ + 1 : waiting_.front().id;
}

SpoolTotals Spool::totals() const {
  std::lock_guard lock(mutex_);
  return {waiting_.size(), records_, bytes_, dropped_requests_, damaged_frames_};
}

}  // namespace rekindle::serving
